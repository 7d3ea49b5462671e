export { createTestDatabase, type TestDatabase } from './database.ts';
export { type SmallDisk, smallDisk } from './disk.ts';
export { type TestEnvironment, type TestImages, testEnvironment } from './environment.ts';
export { type EventuallyOptions, eventually } from './eventually.ts';
export { FarHost } from './far-host.ts';
export { leakCheck, leaksOfNodes, removeAll, removeAllOfNodes, testDocker } from './leaks.ts';
export { listen } from './listen.ts';
export { nodeNamesOf, testNodeName, testPrefix } from './names.ts';
export { privateValkey } from './private-valkey.ts';
export {
  type Exit,
  RUN_VARIABLE,
  type StartProcessOptions,
  startProcess,
  type TestProcess,
} from './process.ts';
export { Queue } from './queue.ts';
export { releaseDeadSubnets, testSubnetRange } from './subnets.ts';
export { dropKeys, valkeyProgram } from './valkey.ts';
