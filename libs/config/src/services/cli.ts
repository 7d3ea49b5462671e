import { defineConfig, optionalField } from '../define.ts';
import { producerUrl, resultsUrl } from '../groups.ts';
import { text } from '../kinds.ts';

/** All that `cronium`, the command line tool, reads from its environment. */
export const cliConfig = defineConfig({
  ...producerUrl,
  ...resultsUrl,
  CRONIUM_API_KEY: optionalField(text, {
    doc: 'The API key to send. Without these variables the tool finds a running local fleet through .cronium/local.json.',
    secret: true,
  }),
});

/** The configuration of the command line tool. */
