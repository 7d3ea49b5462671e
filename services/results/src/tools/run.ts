import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { problems } from '../http/problems.ts';
import type { Credential } from './credentials.ts';

const TIMEOUT_MS = 15_000;
const ANSWER_CHARS = 300;

const slackMessage = z.looseObject({ text: z.string().min(1) });
const discordMessage = z.looseObject({ content: z.string().min(1).max(2000) });
const addresses = z.union([z.string().min(3), z.array(z.string().min(3)).min(1).max(100)]);
const email = z.strictObject({
  to: addresses,
  cc: addresses.optional(),
  bcc: addresses.optional(),
  replyTo: z.string().optional(),
  subject: z.string().max(1000).default(''),
  text: z.string().optional(),
  html: z.string().optional(),
});

/** The one action of each tool, by all its names. */
const ACTIONS = new Set([
  'send',
  'send-message',
  'send_message',
  'sendMessage',
  'send-email',
  'send_email',
  'sendEmail',
]);

/**
 * Does what a job asks of a tool, with the tenant's credential.
 * @returns what the tool answered
 * @throws HttpProblem 400 when the call is wrong, 502 when the tool failed
 */
export async function callTool(
  credential: Credential,
  { action, config }: { action: string; config: Record<string, unknown> },
): Promise<Record<string, unknown>> {
  if (!ACTIONS.has(action)) {
    throw problems.badBody(`${credential.tool} has no action ${action.slice(0, 100)}; it has send-message.`);
  }
  switch (credential.tool) {
    case 'slack':
      return await postMessage('Slack', credential.webhookUrl, check(slackMessage, config));
    case 'discord': {
      const { text, ...rest } = config;
      const message = check(discordMessage, text === undefined ? rest : { content: text, ...rest });
      return await postMessage('Discord', credential.webhookUrl, message);
    }
    case 'email': {
      const { body, ...rest } = config;
      return await sendEmail(credential, check(email, body === undefined ? rest : { text: body, ...rest }));
    }
  }
}

function check<T>(schema: z.ZodType<T>, config: Record<string, unknown>): T {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  throw problems.badBody(`config: ${z.prettifyError(result.error).slice(0, 500)}`);
}

async function postMessage(tool: string, url: string, message: unknown): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(message),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw problems.toolFailed(
      `${tool} could not be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
  const text = (await response.text()).slice(0, ANSWER_CHARS);
  if (!response.ok) throw problems.toolFailed(`${tool} answered ${response.status}: ${text}`);
  return { status: response.status, answer: text };
}

async function sendEmail(
  { host, port, secure, user, password, from }: Extract<Credential, { tool: 'email' }>,
  message: z.infer<typeof email>,
): Promise<Record<string, unknown>> {
  const transport = createTransport({
    host,
    port,
    secure,
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // A message's parts come from jobs: they may name no files and no URLs of this host.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { messageId, accepted, rejected } = await transport.sendMail({ from, ...message });
    return { messageId, accepted: accepted.map(String), rejected: rejected.map(String) };
  } catch (error) {
    throw problems.toolFailed(
      `The mail server ${host}:${port} refused: ${error instanceof Error ? error.message : error}`,
    );
  } finally {
    transport.close();
  }
}
