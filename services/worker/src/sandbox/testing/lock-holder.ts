import { HostLock } from '../host-lock.ts';

/** Holds the lock of the name that it is given until it is ended. */
const [, , name = ''] = process.argv;
await new HostLock(name).acquire();
process.stdout.write('held\n');
setInterval(() => undefined, 60_000);
