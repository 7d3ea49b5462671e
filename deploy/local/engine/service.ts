/**
 * A service that the local fleet uses: started here, or only pointed at by the environment.
 *
 * `start` and `stop` may be called in any order and any number of times; `start` after a crash or a stop brings the
 * same data back at the same URL. What only the environment names is never started or stopped from here.
 */
export interface LocalService extends AsyncDisposable {
  readonly url: string;
  /** Where it came from, for messages: `environment`, `path`, `container`, `debian` or `npm`. */
  readonly origin: 'environment' | 'path' | 'container' | 'debian' | 'npm';
  /** The process, while one of ours runs. */
  readonly pid: number | undefined;
  start(): Promise<void>;
  /** Ends it in an orderly way and waits until it is gone. */
  stop(): Promise<void>;
  /** Settles when the process that runs now ends, however it ends. Never, for what is not ours. */
  exited(): Promise<void>;
}
