import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { dockerClient } from '../engine/docker-client.ts';
import { finished } from '../engine/pull.ts';

/**
 * Copies images from one engine to another, as `docker save | docker load` does. Layers that several of the images share
 * travel once. Nothing is stored in between.
 */
export async function copyImages(options: {
  from: string;
  to: string;
  tags: readonly string[];
}): Promise<void> {
  const source = dockerClient(options.from);
  const target = dockerClient(options.to);
  const archive = await saveImages(source, options.tags);
  const body = new PassThrough();
  const sent = pipeline(archive, body);
  const answer = await target.loadImage(body, { quiet: true });
  await Promise.all([sent, finished(target, answer)]);
}

/** One archive of several images. dockerode's own call takes one image only. */
function saveImages(docker: Docker, tags: readonly string[]): Promise<NodeJS.ReadableStream> {
  const request = {
    path: '/images/get?',
    method: 'GET',
    options: { names: [...tags] },
    isStream: true,
    statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
  };
  return new Promise((resolve, reject) => {
    docker.modem.dial(request, (error: Error | null, stream: unknown) => {
      if (error !== null) reject(error);
      else resolve(stream as NodeJS.ReadableStream);
    });
  });
}
