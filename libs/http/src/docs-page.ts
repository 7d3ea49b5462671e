import { z } from 'zod';

const media = z.record(z.string(), z.object({ schema: z.unknown().optional() }));
const operation = z.object({
  summary: z.string().default(''),
  description: z.string().default(''),
  parameters: z
    .array(z.object({ name: z.string(), in: z.string(), description: z.string().default('') }))
    .default([]),
  requestBody: z.object({ content: media }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: media.optional() })),
  security: z.array(z.unknown()).default([]),
});
const documentShape = z.object({
  info: z.object({ title: z.string(), version: z.string(), description: z.string().default('') }),
  components: z.object({ schemas: z.record(z.string(), z.unknown()).default({}) }).default({ schemas: {} }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
});
type Operation = z.infer<typeof operation>;

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}
h2{font:600 1.05rem ui-monospace,monospace;margin:2rem 0 .25rem}h2 b{color:#0b5fa5}table{border-collapse:collapse;width:100%}
td{border-top:1px solid #ddd;padding:.25rem .5rem .25rem 0;vertical-align:top}td:first-child{width:12rem;font-family:ui-monospace,monospace}
pre{background:#f4f5f7;padding:.75rem;overflow:auto;max-height:24rem;font-size:.85rem}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e4e6ea}pre{background:#22252b}td{border-color:#3a3d44}h2 b{color:#6db3f2}}`;

/** A page that shows an OpenAPI document. It needs nothing but itself, and is told to the browser so. */
export function docsPage(document: unknown): () => Response {
  const page = pageOf(document);
  const headers = {
    'Content-Type': 'text/html; charset=UTF-8',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  };
  return () => new Response(page, { headers });
}

function pageOf(document: unknown): string {
  const { info, paths, components } = documentShape.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => section(method, path, one)),
  );
  const schemas = Object.entries(components.schemas).map(([name, schema]) => schemaOf(name, schema));
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)}</title><style>${STYLE}</style>
<h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1><p>${escapeHtml(info.description)} The same as a document: <a href="openapi.json">openapi.json</a>.</p>
${operations.join('\n')}
<h2>Schemas</h2>${schemas.join('')}</html>`;
}

function section(method: string, path: string, one: Operation): string {
  const parameters = one.parameters.map(({ name, in: place, description }) =>
    row(name, `${place}. ${description}`),
  );
  const responses = Object.entries(one.responses).map(([status, { description }]) =>
    row(status, description),
  );
  const bodies = Object.entries(one.requestBody?.content ?? {}).map(([type, { schema }]) =>
    schemaOf(`Body, ${type}`, schema),
  );
  const answers = Object.entries(one.responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([status, { content = {} }]) =>
      Object.values(content).map(({ schema }) => schemaOf(`Answer ${status}`, schema)),
    );
  return `<h2><b>${escapeHtml(method.toUpperCase())}</b> ${escapeHtml(path)}</h2><p>${escapeHtml(sentence(one.summary))} ${escapeHtml(one.description)}${
    one.security.length > 0 ? '' : ' No API key.'
  }</p><table>${[...parameters, ...responses].join('')}</table>${[...bodies, ...answers].join('')}`;
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

function schemaOf(title: string, schema: unknown): string {
  if (schema === undefined) return '';
  return `<details><summary>${escapeHtml(title)}</summary><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre></details>`;
}

function row(name: string, text: string): string {
  return `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(text)}</td></tr>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
