/**
 * The boundary of: secrets and the outside. What an event quotes of a command line may hold
 * credentials; they are taken out before any of it goes to a model.
 *
 * The patterns have no nested repetition: hostile text cannot make them slow.
 */

const REDACTED = "[redacted]";

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
    REDACTED,
  ],
  [/\b(A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{12,20}\b/g, REDACTED],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(\.[\w-]*)?/g, REDACTED],
  [
    /\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|sk_live_|rk_live_|npm_|hf_|dop_v1_|AIza|ya29\.)[\w-]{10,}/g,
    REDACTED,
  ],
  [/\b(bearer|basic|token)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  [/(\w:\/\/[^\s/:@]{0,256}):[^\s/@]{1,256}@/g, `$1:${REDACTED}@`],
  [
    /((?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth|session)[\w-]{0,24}["']?\s{0,4}[=:]\s{0,4})("[^"]{0,512}"?|'[^']{0,512}'?|[^\s"'&;|]{1,512})/gi,
    `$1${REDACTED}`,
  ],
  [
    /(\s--?(?:pass(?:word|wd|phrase)?|pwd|secret|token|api-?key|access-?key|secret-?key|auth)\s{1,4})("[^"]{0,512}"?|'[^']{0,512}'?|[^\s"']{1,512})/gi,
    `$1${REDACTED}`,
  ],
  [/(\s-u\s{0,4}[^\s:]{1,64}:)[^\s]{1,256}/g, `$1${REDACTED}`],
  [
    /(\b(?:mysql|mysqldump|mariadb|sshpass)\b[^|;]{0,256}?\s-p)(?=\S)[^\s]{1,256}/g,
    `$1${REDACTED}`,
  ],
  // Forty characters of base64 are an AWS secret or as good as one; hex digests are left.
  [
    /(?<![\w/+=-])(?![0-9a-f]{40}(?![\w/+=]))(?=[\w/+]*[A-Z])(?=[\w/+]*\d)[A-Za-z0-9/+]{40}(?![\w/+=-])/g,
    REDACTED,
  ],
];

export function redact(text: string): string {
  return PATTERNS.reduce((clean, [pattern, instead]) => clean.replace(pattern, instead), text);
}
