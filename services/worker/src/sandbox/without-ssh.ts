import { createRequire, Module } from 'node:module';

/**
 * Docker's modem loads an SSH client, for `ssh://` hosts, which a worker cannot be given: 6 MB of an idle worker. Imported
 * before the modem, this stands where that client would be loaded from. One that is loaded already stays.
 */
const ofModem = createRequire(createRequire(import.meta.url).resolve('docker-modem'));
const id = ofModem.resolve('ssh2');

class NoSshClient {
  constructor() {
    throw new Error('this program speaks to Docker by unix:// and tcp:// only');
  }
}

ofModem.cache[id] ??= Object.assign(new Module(id), {
  exports: { Client: NoSshClient },
  filename: id,
  loaded: true,
});
