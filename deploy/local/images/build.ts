/** Builds the fleet's images where they are missing or outdated: `node deploy/local/ensure.mjs deploy/local/images/build.ts`. */
import { bootstrapContext, ensureDocker, ensureImages } from '../bootstrap.ts';

const context = bootstrapContext({ env: process.env, report: console.log });
const docker = await ensureDocker(context);
for (const image of await ensureImages(context, { dockerHost: docker.host })) {
  const state = image.built ? 'built' : 'up to date';
  console.log(`${image.tag.padEnd(28)} ${(image.bytes / 1e6).toFixed(0).padStart(4)} MB  ${state}`);
}
