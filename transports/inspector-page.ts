/**
 * The boundary of: our stream and Stately's hosted inspector. That inspector opens no socket of its
 * own: it takes events as window messages from the page that embeds it. This is that page.
 *
 * The socket is opened when the embedded page says that it listens, and again each time it does, so
 * nothing is kept here: a viewer that comes late is told by the server what it missed.
 */
import { createHash } from "node:crypto";

const INSPECTOR_ORIGIN = "https://stately.ai";
export const INSPECTOR_URL = `${INSPECTOR_ORIGIN}/inspect`;

const STYLE = `
html, body { height: 100%; margin: 0; font: 14px system-ui, sans-serif; }
body { display: flex; flex-direction: column; }
p { margin: 0; padding: 4px 8px; }
iframe { flex: 1; border: 0; }
`;

const SCRIPT = `
const frame = document.querySelector("iframe");
const line = document.querySelector("p");
const trusted = /^https:\\/\\/([a-z0-9-]+\\.)*stately\\.ai$/;
let socket = null;
let origin = null;

function say(text) { line.textContent = "Watchfloor: " + text; }

function connect() {
  if (socket) { socket.onclose = null; socket.close(); }
  const opened = new WebSocket("ws://" + location.host + "/");
  socket = opened;
  opened.onopen = () => say("connected");
  opened.onmessage = ({ data }) => frame.contentWindow.postMessage(JSON.parse(data), origin);
  opened.onclose = () => say("the runner is gone; reload this page when it is back");
}

addEventListener("message", (message) => {
  if (message.source !== frame.contentWindow || !trusted.test(message.origin)) return;
  if (!message.data || message.data.type !== "@statelyai.connected") return;
  origin = message.origin;
  connect();
});

say("waiting for ${INSPECTOR_URL} (needs the internet)");
frame.src = "${INSPECTOR_URL}";
`;

export const INSPECTOR_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Watchfloor inspector</title>
<style>${STYLE}</style>
<p role="status"></p>
<iframe title="Stately inspector"></iframe>
<script>${SCRIPT}</script>
</html>
`;

const hash = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Only our own script and style run, and only Stately's page is embedded. */
export const INSPECTOR_PAGE_HEADERS: Readonly<Record<string, string>> = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy": [
    "default-src 'none'",
    `script-src ${hash(SCRIPT)}`,
    `style-src ${hash(STYLE)}`,
    `frame-src ${INSPECTOR_ORIGIN} https://*.stately.ai`,
    "connect-src 'self' ws://localhost:* ws://127.0.0.1:*",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
};
