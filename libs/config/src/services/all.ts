import type { ConfigDefinition, Fields } from '../define.ts';
import { cliConfig } from './cli.ts';
import { producerConfig } from './producer.ts';
import { resultsConfig } from './results.ts';
import { workerConfig } from './worker.ts';

/** Every service's definition, in the order of the docs. */
export const allConfigs: Readonly<Record<string, ConfigDefinition<Fields>>> = Object.freeze({
  producer: producerConfig,
  worker: workerConfig,
  results: resultsConfig,
  cli: cliConfig,
});

/** The name of every variable that some service reads. */
export function allVariables(): Set<string> {
  return new Set(Object.values(allConfigs).flatMap((definition) => Object.keys(definition.fields)));
}
