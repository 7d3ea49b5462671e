/**
 * Brings what a fleet needs on one machine: Docker, Valkey, PostgreSQL and the images.
 *
 *   const context = bootstrapContext({ env: process.env, report: console.log });
 *   const docker = await ensureDocker(context);
 *   await ensureDashboard(context);
 *   await ensureImages(context, { dockerHost: docker.host });
 *   await using valkey = await ensureValkey(context, { listen: ['127.0.0.1'] });
 *   await using postgres = await ensurePostgres(context, {});
 *
 * Every function says through `context.report` what it is about to do before it changes anything, uses what the
 * machine or the environment offers first, and throws `MissingError` (what is missing, how to get it) otherwise.
 * All of them are safe to call from several processes at once.
 */

export { ensureDashboard } from './dashboard.ts';
export { type Browser, ensureChromium } from './engine/chromium.ts';
export type { BootstrapContext, Report } from './engine/context.ts';
export { bootstrapContext } from './engine/context.ts';
export type { DockerEngine } from './engine/docker.ts';
export { dockerClient, ensureDocker } from './engine/docker.ts';
export { MissingError } from './engine/missing-error.ts';
export { freePort } from './engine/ports.ts';
export type { PostgresOptions } from './engine/postgres.ts';
export { ensurePostgres } from './engine/postgres.ts';
export type { LocalService } from './engine/service.ts';
export type { ValkeyOptions } from './engine/valkey.ts';
export { ensureValkey } from './engine/valkey.ts';
export { copyImages } from './images/copy-images.ts';
export type { EnsuredImage, EnsureImagesOptions } from './images/ensure-images.ts';
export { ensureImages } from './images/ensure-images.ts';
export { IMAGE_TAGS } from './images/recipes.ts';
