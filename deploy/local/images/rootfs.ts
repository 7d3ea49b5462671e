import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openPrivateApt, unpack } from '../engine/apt.ts';
import type { BootstrapContext } from '../engine/context.ts';
import { withLock } from '../engine/lock.ts';
import { findCommand, run } from '../engine/run.ts';
import type { DebianBase } from './recipes.ts';

/** Never needed by a program that runs in a container. */
const DOCUMENTATION = [
  'usr/share/doc',
  'usr/share/doc-base',
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'usr/share/lintian',
  'usr/share/bug',
  'usr/share/menu',
  'usr/share/pixmaps',
  'usr/share/applications',
  'usr/share/bash-completion',
  'usr/share/zsh',
  'usr/share/initramfs-tools',
  'etc/init.d',
  'etc/cron.d',
  'etc/cron.daily',
  'usr/lib/systemd',
  'var/lib/dpkg',
];

/** Debian keeps programs and libraries below /usr and links the old places to it. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64'];

/**
 * The root file system of a base image as a tar archive. It is made once for a list of packages and kept in
 * `.cronium/rootfs`.
 */
export async function rootfsArchive(
  context: BootstrapContext,
  base: DebianBase,
  key: string,
): Promise<string> {
  const archive = join(context.home, 'rootfs', `${key}.tar`);
  if (existsSync(archive)) return archive;
  return withLock(context, `rootfs-${key}`, async () => {
    if (!existsSync(archive)) await makeArchive(context, base, archive);
    return archive;
  });
}

async function makeArchive(context: BootstrapContext, base: DebianBase, archive: string): Promise<void> {
  const added = base.on === undefined ? '' : ` on ${base.on.tag}`;
  context.report(`Making a root file system from Debian packages (${base.packages.join(', ')})${added}.`);
  const folder = `${archive}.partial`;
  rmSync(folder, { recursive: true, force: true });
  linkMerged(folder);
  await unpack(await packageFiles(context, base), folder);
  if (base.node) await addNode(context, folder);
  for (const pattern of [...DOCUMENTATION, ...(base.without ?? [])]) removeAll(folder, pattern);
  if (base.on === undefined) finishSystem(folder);
  else for (const name of MERGED) rmSync(join(folder, name), { force: true });
  await pack(folder, archive);
  rmSync(folder, { recursive: true, force: true });
}

/** The packages with what they depend on, less those of the image underneath. */
async function packageFiles(context: BootstrapContext, base: DebianBase): Promise<string[]> {
  const apt = await openPrivateApt(context);
  const underneath = new Set(base.on === undefined ? [] : await apt.download(base.on.packages));
  const files = await apt.download([...(base.on?.packages ?? []), ...base.packages]);
  return files.filter((file) => !underneath.has(file));
}

function linkMerged(folder: string): void {
  for (const name of MERGED) {
    mkdirSync(join(folder, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
}

function removeAll(folder: string, pattern: string): void {
  for (const path of globSync(pattern, { cwd: folder }))
    rmSync(join(folder, path), { recursive: true, force: true });
}

async function addNode(context: BootstrapContext, folder: string): Promise<void> {
  const target = join(folder, 'usr/local/bin/node');
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(context.root, 'node_modules/node/bin/node'), target);
  chmodSync(target, 0o755);
  // Symbol tables are a sixth of the binary.
  if (findCommand('strip', context.env.PATH) !== undefined) await run(['strip', '--strip-unneeded', target]);
}

/** What the packages' scripts would have made. */
function finishSystem(folder: string): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write(
    'etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\njob:x:1000:1000::/workspace:/bin/sh\n',
  );
  write('etc/group', 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\njob:x:1000:\n');
  write(
    'etc/nsswitch.conf',
    'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  );
  for (const path of ['root', 'dev', 'proc', 'sys', 'run', 'var/tmp', 'workspace']) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  for (const path of ['tmp', 'var/tmp']) chmodSync(join(folder, path), 0o1777);
  linkAlternative(folder, 'usr/bin/sh', ['dash', 'bash', 'busybox']);
  linkAlternative(folder, 'usr/bin/awk', ['mawk']);
  linkAlternative(folder, 'usr/bin/which', ['which.debianutils']);
  bundleCertificates(folder);
}

/** Debian's scripts make these links; the first program that is there serves. */
function linkAlternative(folder: string, path: string, programs: readonly string[]): void {
  if (existsSync(join(folder, path))) return;
  const program = programs.find((name) => existsSync(join(folder, 'usr/bin', name)));
  if (program !== undefined) symlinkSync(program, join(folder, path));
}

function bundleCertificates(folder: string): void {
  const authorities = globSync('usr/share/ca-certificates/**/*.crt', { cwd: folder }).sort();
  if (authorities.length === 0) return;
  const bundle = authorities.map((path) => readFileSync(join(folder, path), 'utf8')).join('');
  mkdirSync(join(folder, 'etc/ssl/certs'), { recursive: true });
  writeFileSync(join(folder, 'etc/ssl/certs/ca-certificates.crt'), bundle);
}

/** The same packages give the same archive, byte for byte, so that the image's layer is the same too. */
async function pack(folder: string, archive: string): Promise<void> {
  const partial = `${archive}.writing`;
  const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run(['tar', '--create', ...reproducible, '--file', partial, '--directory', folder, '.']);
  renameSync(partial, archive);
}
