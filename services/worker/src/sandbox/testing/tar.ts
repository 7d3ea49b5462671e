const BLOCK = 512;

/** A small file, or a symbolic link, of an archive. Names are at most 100 bytes. */
export type TarEntry =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly linkTo: string };

/** A POSIX ustar archive (IEEE Std 1003.1-2001, pax, "ustar Interchange Format"). */
export function tarArchive(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) =>
    'bytes' in entry
      ? [header(entry.name, entry.bytes.length, '0', ''), entry.bytes, padding(entry.bytes.length)]
      : [header(entry.name, 0, '2', entry.linkTo)],
  );
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

function header(name: string, size: number, type: string, link: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100);
  block.write('0000755\0', 100);
  block.write('0001750\0', 108);
  block.write('0001750\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
