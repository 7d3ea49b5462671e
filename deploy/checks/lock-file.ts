import { type Finding, lineAt, type SourceFile } from './finding.ts';

/**
 * The lock file pins versions and checksums, never addresses: everybody installs from the registry that their own npm is
 * set up for.
 */
export function checkLockFile({ path, text }: SourceFile): Finding[] {
  const addresses = [...text.matchAll(/"resolved": "[a-z+]+:\/\/[^"]*"/g)].map((match) => ({
    where: `${path}:${lineAt(text, match.index)}`,
    message: `a download address: ${match[0]}. Run: npm config set omit-lockfile-registry-resolved true --location=project`,
    severity: 'error' as const,
  }));
  return addresses.slice(0, 3);
}
