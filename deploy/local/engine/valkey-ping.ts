import { connect } from 'node:net';

/** True when Valkey answers a PING on the loopback address; it answers an error while it still loads its data. */
export function pingValkey(server: { port: number; password: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: server.port });
    const finish = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    let answer = '';
    socket.setTimeout(1000, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('connect', () => socket.write(`AUTH ${server.password}\r\nPING\r\n`));
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
      if (answer.split('\r\n').length > 2) finish(answer.includes('+PONG'));
    });
    socket.on('close', () => finish(false));
  });
}
