import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { problems } from '../http/problems.ts';
import type { ArtifactStore } from './artifact-store.ts';

const CONNECT_MS = 5000;
const REQUEST_MS = 60_000;
const TRIES = 3;
/** UTF-8 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html). */
const LONGEST_KEY_BYTES = 1024;

/** Where an S3-compatible store is. Credentials come as the AWS SDK finds them: `AWS_ACCESS_KEY_ID` and so on. */
export interface S3Place {
  readonly bucket: string;
  readonly region: string;
  /** Of a store that is not AWS itself; its buckets are parts of paths then. */
  readonly endpoint?: string | undefined;
}

type Sdk = typeof import('@aws-sdk/client-s3');

/** Artifacts in an S3-compatible store, under `<attempt>/<path>`. The SDK is loaded with the first one. */
export function s3Artifacts({ bucket, region, endpoint }: S3Place, maxBytes: number): ArtifactStore {
  let loaded: Promise<{ sdk: Sdk; client: S3Client }> | undefined;
  const load = async () => {
    const sdk = await import('@aws-sdk/client-s3');
    const client = new sdk.S3Client({
      region,
      maxAttempts: TRIES,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS },
      // Stores other than AWS do not all know the newer checksums; ours is kept with the artifact.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    });
    return { sdk, client };
  };
  const use = <T>(run: (use: { sdk: Sdk; client: S3Client }) => Promise<T>): Promise<T> => {
    loaded ??= load();
    return loaded.then(run);
  };
  return {
    maxBytes,
    async put(key, bytes) {
      const of = { Bucket: bucket, Key: objectKey(key), Body: bytes };
      await use(({ sdk, client }) => client.send(new sdk.PutObjectCommand(of))).catch(refused);
      return true;
    },
    async get(key) {
      const of = { Bucket: bucket, Key: objectKey(key) };
      const answer = await use(({ sdk, client }) =>
        client.send(new sdk.GetObjectCommand(of)).catch((error: unknown) => {
          if (error instanceof sdk.NoSuchKey) return undefined;
          throw error;
        }),
      ).catch(refused);
      return answer?.Body?.transformToWebStream();
    },
    async remove(key) {
      const of = { Bucket: bucket, Key: objectKey(key) };
      await use(({ sdk, client }) => client.send(new sdk.DeleteObjectCommand(of))).catch(refused);
    },
  };
}

/** The key of an artifact's object; a path that is too long for one is named by its hash. */
function objectKey(key: string): string {
  if (Buffer.byteLength(key) <= LONGEST_KEY_BYTES) return key;
  const [attempt] = key.split('/', 1);
  return `${attempt}/.long/${createHash('sha256').update(key).digest('hex')}`;
}

function refused(cause: unknown): never {
  throw problems.artifactsAway(cause);
}
