import { Argument, type Command } from 'commander';
import { type Completable, completionScript, SHELLS, type Shell } from '../render/completion.ts';
import type { Register } from './register.ts';

/** `cronium completion <shell>`: what the shell is to know of all commands and options. */
export const addCompletion: Register = (program, run) => {
  program
    .command('completion')
    .description('Prints the completion of cronium for a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
  bash   cronium completion bash > ~/.local/share/bash-completion/completions/cronium
  zsh    cronium completion zsh > a folder of $fpath, as _cronium
  fish   cronium completion fish > ~/.config/fish/completions/cronium.fish`,
    )
    .action(
      run(async ({ terminal }, shell: Shell) => {
        await terminal.out.write(completionScript(shell, describe(program)));
        return undefined;
      }),
    );
};

function describe(program: Command): Completable {
  const options = (command: Command) =>
    command.options.map(({ long, short, description, required, argChoices }) => ({
      names: [short, long].filter((name) => name !== undefined && name !== null),
      describes: description,
      takesValue: required,
      choices: argChoices ?? [],
    }));
  return {
    options: options(program),
    commands: program.commands.map((command) => ({
      name: command.name(),
      describes: command.description(),
      options: options(command),
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    })),
  };
}
