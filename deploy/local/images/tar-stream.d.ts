/** The part of tar-stream that is used here; the package brings no types. */
declare module 'tar-stream' {
  import type { Readable, Writable } from 'node:stream';

  export interface Header {
    name: string;
    mode?: number;
    mtime?: Date;
    size?: number;
  }
  export interface Pack extends Readable {
    entry(header: Header, content: Buffer, done: (error?: Error | null) => void): void;
    entry(header: Header): Writable;
    finalize(): void;
  }
  const tar: { pack(): Pack };
  export default tar;
}
