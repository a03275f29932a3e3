/**
 * The boundary of: text that talks to a model. A bounded scan for instructions, role markers and
 * control sequences; its result is one boolean that lowers autonomy and never closes anything.
 * It is no defence on its own: that is the quarantine, which needs no recognition.
 */
import type { FalcoEvent } from "../machines/vocabulary.ts";

const TEXTS_MAX = 128;
const TEXT_CHARS_MAX = 4096;

/** Escape sequences, other controls, bidirectional overrides, invisible characters, tag letters. */
const HIDDEN =
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\udb40[\udc00-\udc7f]/;

/** Marks that set the roles of a conversation, in the raw text. */
const ROLES = [
  /<\|[a-z_]{2,24}\|>/i,
  /\[\/?INST\]|<<\/?SYS>>/i,
  /<\/?(?:system|assistant|developer|user_query|instructions?|tool_(?:call|result|use)|function_calls?)\b[^<>]{0,64}>/i,
  /(?:^|[\r\n]|\\n)\s{0,8}(?:system|assistant|human|user|developer)\s?:\s/i,
  /#{2,4}\s?(?:system|instructions?|assistant|new task)\b/i,
  /"(?:verdict|role|is_benign|benign|confidence)"\s?:/i,
];

/** Phrases, in text reduced to lower-case words. Gaps are bounded: every scan is linear. */
const PHRASES = [
  /\b(?:ignore|disregard|forget|override|bypass) (?:\w+ ){0,4}(?:instructions?|prompts?|rules|guidelines|context|polic(?:y|ies)|directions?)\b/,
  /\b(?:previous|prior|above|earlier|preceding) (?:instructions?|prompts?|messages?|context)\b/,
  /\byou are (?:now |no longer )?(?:an? |the )?(?:\w+ ){0,3}(?:assistant|ai|model|bot|analyst|agent|admin|administrator|soc|dan)\b/,
  /\b(?:act|behave|respond|answer) (?:as|like) (?:an? |the |if )/,
  /\b(?:pretend|roleplay|role play) (?:to be|as|that)\b/,
  /\b(?:new|updated|revised|system|developer|hidden) (?:instructions?|prompts?|directives?|message)\b/,
  /\b(?:note|message|attention|reminder) (?:to|for) (?:the |all |any )?(?:\w+ )?(?:ai|llm|model|assistant|analyst|agents?|reviewer|soc)\b/,
  /\b(?:mark|classify|label|treat|report|close|resolve|rate|consider|dismiss) (?:\w+ ){0,5}(?:as )?(?:benign|safe|false positive|harmless|legitimate|resolved|low risk)\b/,
  /\b(?:do not|don t|dont|never|no need to) (?:\w+ ){0,2}(?:escalate|alert|report|isolate|flag|investigate|notify|contain|terminate|block)\b/,
  /\b(?:this|the|these) (?:\w+ ){0,3}(?:is|was|are|were|has been|have been) (?:\w+ ){0,2}(?:authori[sz]ed|pre ?approved|whitelisted|allowlisted|sanctioned|known benign|benign|a false positive)\b/,
  /\b(?:authori[sz]ed|approved|scheduled) (?:\w+ ){0,2}(?:penetration test|pen ?test|red team|security test|maintenance)\b/,
  /\b(?:set|output|return|print|respond|reply|answer) (?:\w+ ){0,3}(?:verdict|confidence|severity|classification|auto (?:execute|reject|approve))\b/,
  /\b(?:respond|reply|answer|output) (?:only |exactly |just )?with\b/,
  /\b(?:call|use|invoke|run|execute) (?:the |your )(?:\w+ )?(?:tool|function|action)\b/,
  /\b(?:reveal|repeat|print|show|send|leak|exfiltrate) (?:\w+ ){0,3}(?:system prompt|your instructions|your prompt|api keys?|your configuration)\b/,
  /\bas an ai\b|\bend of (?:log|logs|event|events|evidence|input|data)\b|\bbegin (?:system|instructions?)\b/,
];

/** True when any text of the event looks as if it were written for a model to obey. */
export function injectionSuspected(event: FalcoEvent): boolean {
  const texts: string[] = [event.rule, event.output, event.hostname, event.source, ...event.tags];
  for (const value of Object.values(event.fields)) {
    if (typeof value === "string") texts.push(value);
  }
  // No rule prints that many strings: what is not scanned is not cleared.
  return texts.length > TEXTS_MAX || texts.some((text) => looksLikeInstruction(text));
}

function looksLikeInstruction(raw: string): boolean {
  if (raw.length < 4) return false;
  const text = raw.slice(0, TEXT_CHARS_MAX);
  if (HIDDEN.test(text)) return true;
  const plain = text.normalize("NFKC");
  if (ROLES.some((role) => role.test(plain))) return true;
  const words = wordsOf(plain);
  return words.includes(" ") && PHRASES.some((phrase) => phrase.test(words));
}

/** Lower-case words with single spaces: undoes percent coding, separators and line breaks. */
function wordsOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/%([2-7][0-9a-f])/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)).toLowerCase(),
    )
    .replace(/[^a-z0-9]+/g, " ");
}
