import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';

function recording(options: { level?: string; node?: string } = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ service: 'worker', destination, ...options });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') };
}

describe('the logger', () => {
  it('writes one JSON object a line, with service, node, level word and time', () => {
    const { logger, lines, last } = recording({ node: 'n1' });
    logger.info({ jobId: 'job_1' }, 'claimed\nthis');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      service: 'worker',
      node: 'n1',
      jobId: 'job_1',
      msg: 'claimed\nthis',
    });
  });

  it('leaves out what is below its level', () => {
    const { logger, lines } = recording({ level: 'warn' });
    logger.info('quiet');
    logger.warn('loud');
    expect(lines).toHaveLength(1);
  });

  it.each([
    { authorization: 'sesame' },
    { headers: { authorization: 'Bearer sesame-sesame' } },
    { request: { headers: { Authorization: 'sesame' } } },
    { token: 'sesame', lockToken: 'sesame', executionToken: 'sesame' },
    { user: { password: 'sesame' }, apiKey: 'sesame' },
    { requests: [{ token: 'sesame' }] },
    { err: Object.assign(new Error('refused'), { token: 'sesame', config: { password: 'sesame' } }) },
    { err: new Error('refused', { cause: Object.assign(new Error('no'), { secret: 'sesame' }) }) },
    { url: 'redis://cronium:sesame@valkey:6379/0' },
    { note: 'sent Authorization: Bearer sesame-sesame' },
  ])('hides the secret in %j', (fields) => {
    const { logger, lines } = recording();
    logger.info(fields, 'text');
    expect(lines.join('')).not.toContain('sesame');
    expect(lines.join('')).toContain('***');
  });

  it('shows what stands beside a secret, and leaves the fields that it was given as they are', () => {
    const { logger, last } = recording();
    const fields = { request: { token: 'sesame', path: '/x' }, list: [1, { token: 'sesame' }] };
    logger.info(fields, 'text');
    expect(last()).toMatchObject({ request: { token: '***', path: '/x' }, list: [1, { token: '***' }] });
    expect(fields.request.token).toBe('sesame');
  });

  it('shows what an error says that holds a secret', () => {
    const { logger, last } = recording();
    const error = Object.assign(new Error('refused'), {
      token: 'sesame',
      config: { password: 'sesame', path: '/x' },
    });
    logger.error(error, 'lost');
    expect(last().err).toMatchObject({
      type: 'Error',
      message: 'refused',
      token: '***',
      config: { password: '***', path: '/x' },
    });
    expect(last().err.stack).toContain('logger.test');
  });

  it('logs what was thrown and is no error', () => {
    const { logger, last } = recording();
    logger.warn({ err: null }, 'nothing');
    expect(last().err).toBeNull();
    logger.warn({ err: 'no' }, 'a word');
    expect(last().err).toBe('no');
  });

  it('hides passwords in messages, errors, their causes and stacks, and stays JSON', () => {
    const { logger, lines, last } = recording();
    const cause = new Error('no route to postgres://u:sesame@db/x');
    logger.error({ err: new Error('down: redis://:sesame@v:1', { cause }) }, 'lost amqp://a:sesame@b');
    expect(lines.join('')).not.toContain('sesame');
    expect(last().err.message).toContain('redis://:***@v:1');
  });

  it('does not take a time and a mail address for a password', () => {
    const { logger, last } = recording();
    logger.info('at http://host:80/a?b=c mail me@example.com');
    expect(last().msg).toBe('at http://host:80/a?b=c mail me@example.com');
  });
});
