import type { Endpoint } from './endpoint.ts';
import { endpoints } from './endpoints.ts';

const STYLE = `body{font:16px/1.5 system-ui;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}section{border-top:1px solid #d0d7de;padding:.6rem 0}code{font:14px/1.4 ui-monospace,monospace}
.method{display:inline-block;min-width:4rem;font-weight:600}p{margin:.2rem 0 0}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}section{border-color:#30363d}a{color:#58a6ff}}`;

/** The API's description as one page that needs nothing else. */
export function docsPage(version: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cronium Fleet results API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>Results API, version ${escapeHtml(version)}</h1>
<p>Send <code>Authorization: Bearer &lt;api key&gt;</code>. Errors are problem documents (RFC 9457). The schemas are in
<a href="/openapi.json">/openapi.json</a>.</p>
${endpoints.map(section).join('\n')}
</body></html>`;
}

function section({ method, path, summary, auth }: Endpoint): string {
  const open = auth === 'open' ? ' (open)' : '';
  return `<section><code><span class="method">${method.toUpperCase()}</span> ${escapeHtml(path)}</code>${open}
<p>${escapeHtml(summary)}</p></section>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
