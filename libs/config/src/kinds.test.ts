import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  cidr,
  flag,
  hostPort,
  keyPrefix,
  list,
  nodeName,
  oneOf,
  pairs,
  port,
  positiveSeconds,
  prefixLength,
  sealingKeys,
  seconds,
  share,
  sharedServices,
  text,
  url,
} from './kinds.ts';

describe('bytes', () => {
  it.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['512B', 512],
    ['64KiB', 65_536],
    ['64 MiB', 67_108_864],
    ['1.5GiB', 1_610_612_736],
    ['2tib', 2 * 2 ** 40],
  ])('reads %s', (given, expected) => expect(bytes.parse(given)).toBe(expected));

  it.each(['', '-1', 'MiB', '1MB', '1K', '1e3', '0x10', '1 000', '99999999TiB', '1.5.5KiB'])(
    'refuses %j',
    (given) => expect(bytes.safeParse(given).success).toBe(false),
  );

  it('reads back every whole number of every unit', () => {
    const units = fc.constantFrom(['B', 0], ['KiB', 10], ['MiB', 20], ['GiB', 30]) as fc.Arbitrary<
      [string, number]
    >;
    fc.assert(
      fc.property(fc.nat({ max: 4096 }), units, (count, [unit, power]) => {
        expect(bytes.parse(`${count}${unit}`)).toBe(count * 2 ** power);
      }),
    );
  });
});

describe('numbers', () => {
  it('takes ports from 0 to 65535', () => {
    expect(port.parse('0')).toBe(0);
    expect(port.parse('65535')).toBe(65_535);
    for (const bad of ['65536', '-1', '1.0', '0x50', '', ' 80', '１', 'Infinity']) {
      expect(port.safeParse(bad).success, bad).toBe(false);
    }
  });

  it('takes seconds with fractions', () => {
    expect(seconds.parse('0.25')).toBe(0.25);
    expect(seconds.parse('0')).toBe(0);
    expect(positiveSeconds.safeParse('0').success).toBe(false);
    expect(share.parse('0.25')).toBe(0.25);
    expect(share.safeParse('1.1').success).toBe(false);
    for (const bad of ['1s', 'NaN', '-1', '1e3']) expect(seconds.safeParse(bad).success, bad).toBe(false);
  });
});

describe('addresses', () => {
  it('takes ranges that begin at their first address', () => {
    expect(cidr.parse('10.201.0.0/16')).toEqual({ address: '10.201.0.0', bits: 16 });
    expect(cidr.parse('0.0.0.0/0')).toEqual({ address: '0.0.0.0', bits: 0 });
    expect(cidr.safeParse('10.201.0.1/16').error?.issues[0]?.message).toContain('last 16 bits must be zero');
    for (const bad of ['10.201.0.0', '10.201.0.0/33', '10.201.0/16', '256.0.0.0/8', '::/0', '10.0.0.0/']) {
      expect(cidr.safeParse(bad).success, bad).toBe(false);
    }
  });

  it('takes a prefix length with or without its slash', () => {
    expect(prefixLength.parse('/28')).toBe(28);
    expect(prefixLength.parse('24')).toBe(24);
    expect(prefixLength.safeParse('/30').success).toBe(false);
  });

  it('takes host and port', () => {
    expect(hostPort.parse('valkey:6379')).toEqual({ host: 'valkey', port: 6379 });
    for (const bad of ['valkey', 'valkey:', ':1', 'valkey:0', 'valkey:70000', 'a b:1', '-a:1']) {
      expect(hostPort.safeParse(bad).success, bad).toBe(false);
    }
  });

  it('takes URLs of the named protocols, without the last slash', () => {
    const schema = url('http', 'https');
    expect(schema.parse('http://127.0.0.1:7071/')).toBe('http://127.0.0.1:7071');
    expect(schema.safeParse('redis://x').error?.issues[0]?.message).toBe(
      'it must be a URL that begins with http:// or https://',
    );
    expect(schema.safeParse('127.0.0.1:7071').success).toBe(false);
  });
});

describe('lists and pairs', () => {
  it('reads lists, also empty ones', () => {
    expect(list(text).parse('a, b,,c,')).toEqual(['a', 'b', 'c']);
    expect(list(text).parse('')).toEqual([]);
  });

  it('reads pairs; a value may hold an equals sign', () => {
    expect(pairs.parse('a=b, c = d=e ,f=')).toEqual({ a: 'b', c: 'd=e', f: '' });
  });

  it('keeps every pair of distinct names, whatever they are called', () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,12}$/).filter((one) => one !== '');
    const value = fc.stringMatching(/^[A-Za-z0-9+/=_-]{0,20}$/);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([one]) => one }), (entries) => {
        const parsed = pairs.parse(entries.map((entry) => entry.join('=')).join(','));
        expect(Object.entries(parsed).sort()).toEqual([...entries].sort());
      }),
    );
  });

  it('keeps a name that objects know', () => {
    expect(Object.keys(pairs.parse('__proto__=x'))).toEqual(['__proto__']);
  });

  it('refuses a name twice, and an item without a name, without showing it', () => {
    expect(pairs.safeParse('a=1,a=2').error?.issues[0]?.message).toBe('the name a stands twice');
    expect(pairs.safeParse('a=1,=sesame').error?.message).not.toContain('sesame');
  });
});

describe('shared services', () => {
  it('are read with the ports that jobs see and where they are', () => {
    const given = 'reporting-db=db.internal:5432, search:9200=10.1.0.7:19200,search=es:9300';
    expect(sharedServices.parse(given)).toEqual([
      {
        name: 'reporting-db',
        place: 0,
        ports: [{ port: 5432, target: { host: 'db.internal', port: 5432 } }],
      },
      {
        name: 'search',
        place: 0,
        ports: [
          { port: 9200, target: { host: '10.1.0.7', port: 19_200 } },
          { port: 9300, target: { host: 'es', port: 9300 } },
        ],
      },
    ]);
    expect(sharedServices.parse('')).toEqual([]);
  });

  it('are refused with every wrong item and what is wrong with it', () => {
    const given =
      'db,DB=a:1,db:0=a:1,x=a,runtime-api=a:1,localhost=a:1,ok=a:5432,ok:5432=b:1,x:99999=a:1,x:=a:1';
    const messages = sharedServices.safeParse(given).error?.issues.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringMatching(/^item 1 \(db\): it must be name=host:port/),
      expect.stringMatching(/^item 2 \(DB=a:1\): the name must be a host name such as/),
      'item 3 (db:0=a:1): 0 is not a port',
      expect.stringMatching(/^item 4 \(x=a\): it must be name=host:port/),
      'item 5 (runtime-api=a:1): the name runtime-api is kept for the fleet itself',
      'item 6 (localhost=a:1): the name localhost is kept for the fleet itself',
      'item 8 (ok:5432=b:1): the name ok has the port 5432 already',
      'item 9 (x:99999=a:1): 99999 is not a port',
      expect.stringMatching(/^item 10 \(x:=a:1\): it must be name=host:port/),
    ]);
  });

  it('are read back whatever they are', () => {
    const name = fc
      .stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/)
      .filter((one) => !['job', 'localhost'].includes(one));
    const port = fc.integer({ min: 1, max: 65_535 });
    const item = fc.record({ name, seen: port, host: name, port });
    fc.assert(
      fc.property(fc.uniqueArray(item, { selector: ({ name: own, seen }) => `${own}:${seen}` }), (items) => {
        const parsed = sharedServices.parse(
          items.map(({ name: own, seen, host, port: real }) => `${own}:${seen}=${host}:${real}`).join(','),
        );
        const read = parsed.flatMap(({ name: own, ports }) =>
          ports.map(({ port: seen, target }) => ({ name: own, seen, ...target })),
        );
        const sorted = (list: readonly object[]) => list.map((one) => JSON.stringify(one)).sort();
        expect(sorted(read)).toEqual(
          sorted(
            items.map(({ name: own, seen, host, port: real }) => ({ name: own, seen, host, port: real })),
          ),
        );
      }),
    );
  });
});

describe('sealing keys', () => {
  const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

  it('are read in order, a single one also without an id', () => {
    expect(sealingKeys.parse(one.toString('base64'))).toEqual([{ id: 'k1', key: one }]);
    const given = `k2:${two.toString('base64')},k1:${one.toString('base64')}`;
    expect(sealingKeys.parse(given).map(({ id }) => id)).toEqual(['k2', 'k1']);
  });

  it('are refused without being shown when too short or named twice', () => {
    const short = Buffer.alloc(31, 3).toString('base64');
    const { error } = sealingKeys.safeParse(short);
    expect(error?.issues[0]?.message).toBe('item 1 must be id:base64 of exactly 32 bytes');
    expect(error?.message).not.toContain(short);
    const twice = [one, two].map((key) => `a:${key.toString('base64')}`).join(',');
    expect(sealingKeys.safeParse(twice).error?.issues[0]?.message).toBe('the key id a stands twice');
  });
});

describe('words', () => {
  it('takes one of some words', () => {
    const schema = oneOf(['info', 'debug']);
    expect(schema.parse('info')).toBe('info');
    expect(schema.safeParse('INFO').error?.issues[0]?.message).toBe('it must be one of info, debug');
  });

  it('takes true and false and nothing else', () => {
    expect(flag.parse('true')).toBe(true);
    expect(flag.parse('false')).toBe(false);
    expect(flag.safeParse('1').success).toBe(false);
  });

  it('takes names that may stand in labels, keys and URLs', () => {
    for (const good of ['a', 'node-1', 'db1.example.com', 'A_b']) expect(nodeName.parse(good)).toBe(good);
    for (const bad of ['', '-a', 'a-', 'a b', 'a/b', 'ä', 'a'.repeat(64)]) {
      expect(nodeName.safeParse(bad).success, bad).toBe(false);
    }
  });

  it('takes a key prefix that is one hash tag', () => {
    expect(keyPrefix.parse('{cronium}')).toBe('{cronium}');
    for (const bad of ['cronium', '{a}{b}', '{}', '{a b}'])
      expect(keyPrefix.safeParse(bad).success, bad).toBe(false);
  });
});
