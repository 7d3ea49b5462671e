export {
  type ComputedDefault,
  type ConfigDefinition,
  type ConfigOf,
  defineConfig,
  type Environment,
  type Field,
  type FieldOptions,
  type Fields,
  field,
  optionalField,
  type Values,
} from './define.ts';
export { ConfigError, type ConfigProblem } from './errors.ts';
export * as groups from './groups.ts';
export type { Cidr, HostPort, SealingKey } from './kinds.ts';
export * as kinds from './kinds.ts';
export { editDistance } from './nearest.ts';
export { EXIT_CONFIG, EXIT_USAGE, type Program, prepare, runMain, usage } from './run-main.ts';
export { allConfigs, allVariables } from './services/all.ts';
export { cliConfig } from './services/cli.ts';
export { type ProducerConfig, producerConfig } from './services/producer.ts';
export { type ResultsConfig, resultsConfig } from './services/results.ts';
export { type WorkerConfig, workerConfig } from './services/worker.ts';
