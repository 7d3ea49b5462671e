import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SealingKey } from '@cronium/config';

/** A sealed value: AES-256-GCM, the tag at the end. */
export interface Sealed {
  readonly keyId: string;
  readonly nonce: Buffer;
  readonly sealed: Buffer;
}

/** Thrown when a value was sealed with a key that is not configured any more, or was changed. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
  readonly code = 'UNSEAL';
}

const TAG_BYTES = 16;

/** Seals what tenants keep secret. A value is bound to its place: moved to another tenant or name it does not open. */
export class SecretBox {
  readonly #keys: readonly SealingKey[];

  constructor(keys: readonly SealingKey[] = []) {
    this.#keys = keys;
  }

  /** Is there a key at all? */
  get usable(): boolean {
    return this.#keys.length > 0;
  }

  /** The id of the key that seals now. */
  get keyId(): string | undefined {
    return this.#keys[0]?.id;
  }

  seal(text: string, place: string): Sealed {
    const [first] = this.#keys;
    if (first === undefined) throw new UnsealError('no key is configured');
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', first.key, nonce).setAAD(Buffer.from(place));
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return { keyId: first.id, nonce, sealed: Buffer.concat([body, cipher.getAuthTag()]) };
  }

  /** @throws UnsealError */
  open({ keyId, nonce, sealed }: Sealed, place: string): string {
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined)
      throw new UnsealError(`it was sealed with the key ${keyId}, which CRONIUM_SECRETS_KEY lacks`);
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.key, nonce)
        .setAAD(Buffer.from(place))
        .setAuthTag(sealed.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]).toString();
    } catch (error) {
      throw new UnsealError('it was changed, or sealed with another key of the same id', { cause: error });
    }
  }
}
