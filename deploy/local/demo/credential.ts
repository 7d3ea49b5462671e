import { DEMO_CREDENTIAL } from './batch.ts';

/** Where the demo's web server takes messages. */
export const CHAT_PATH = '/chat';

/** Stores what the tool job needs: it stays with the results service, and never comes into a container. */
export async function storeCredential(
  fleet: { readonly resultsUrl: string; readonly apiKey: string },
  server: { readonly host: string; readonly port: number },
): Promise<void> {
  const response = await fetch(`${fleet.resultsUrl}/v1/credentials/${DEMO_CREDENTIAL}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${fleet.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ tool: 'slack', webhookUrl: `http://${server.host}:${server.port}${CHAT_PATH}` }),
  });
  if (response.ok) return;
  throw new Error(
    `The demo's credential could not be stored: ${response.status} ${await response.text()}. Is the fleet's API key an admin's?`,
  );
}
