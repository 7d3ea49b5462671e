import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { LABEL, TOOLKIT_SOURCE } from '@cronium/contracts';
import { testEnvironment } from './environment.ts';
import { testDocker } from './leaks.ts';
import { testNodeName } from './names.ts';
import { RUN_VARIABLE } from './process.ts';

const run = promisify(execFile);

/** What goes over the link: to the far program, or from it. */
export type Direction = 'requests' | 'answers';

const CHAINS: Readonly<Record<Direction, string>> = { requests: 'INPUT', answers: 'OUTPUT' };

/**
 * A program on another host, as far as the network can tell: in the network namespace of a container that does nothing
 * else. What is lost on the way there is lost in the kernel, and neither end is told.
 */
export class FarHost implements AsyncDisposable {
  /** Where the program is reached; it must listen on all its addresses. */
  readonly address: string;
  readonly #namespace: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(address: string, namespace: string, stack: AsyncDisposableStack) {
    this.address = address;
    this.#namespace = namespace;
    this.#stack = stack;
  }

  /** Starts a program there; it need not answer yet. */
  static async start(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<FarHost> {
    await using stack = new AsyncDisposableStack();
    const holder = await testDocker().createContainer({
      Image: testEnvironment().images.runtime,
      Entrypoint: [`${TOOLKIT_SOURCE}/busybox`, 'sleep', '1000000'],
      Labels: { [LABEL.managed]: 'true', [LABEL.node]: testNodeName() },
    });
    stack.defer(() => holder.remove({ force: true, v: true }));
    await holder.start();
    const { State, NetworkSettings } = await holder.inspect();
    const namespace = `--net=/proc/${State.Pid}/ns/net`;
    const child = spawn('nsenter', [namespace, ...command], {
      env: { PATH: process.env.PATH, [RUN_VARIABLE]: testEnvironment().runId, ...env },
      stdio: 'ignore',
    });
    stack.defer(() => end(child));
    const [network] = Object.values(NetworkSettings.Networks);
    return new FarHost(network?.IPAddress ?? '', namespace, stack.move());
  }

  /** From now on nothing gets through, one way. */
  cut(direction: Direction): Promise<void> {
    return this.#filter('-A', CHAINS[direction], '-j', 'DROP');
  }

  /** From now on this share of the packets is lost, both ways, and no more than so many a second come through. */
  async lose(share: number, perSecond: number): Promise<void> {
    const lost = ['-m', 'statistic', '--mode', 'random', '--probability', String(share), '-j', 'DROP'];
    const taken = ['-m', 'limit', '--limit', `${perSecond}/second`, '-j', 'ACCEPT'];
    for (const chain of Object.values(CHAINS)) {
      await this.#filter('-A', chain, ...lost);
      await this.#filter('-A', chain, ...taken);
      await this.#filter('-A', chain, '-j', 'DROP');
    }
  }

  heal(): Promise<void> {
    return this.#filter('-F');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #filter(...rule: readonly string[]): Promise<void> {
    await run('nsenter', [this.#namespace, 'iptables', '--wait', ...rule]);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
