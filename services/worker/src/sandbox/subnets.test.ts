import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overlap, parseCidr, rangeOf } from './cidr.ts';
import { parseRoutes, SubnetAllocator } from './subnets.ts';

const RANGE = rangeOf('10.201.0.0', 24);
const range = (text: string) => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new RangeError(text);
  return parsed;
};

describe('subnets', () => {
  test('are never handed out twice, whatever is taken, given back, refused and seen', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ do: 'take' as const, index: 0 }) },
      fc.record({
        do: fc.constantFrom('release' as const, 'avoid' as const, 'observe' as const),
        index: fc.nat({ max: 15 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.nat({ max: 100 }), (steps, start) => {
        const subnets = new SubnetAllocator(RANGE, 28, start);
        const held: string[] = [];
        for (const { do: action, index } of steps) {
          const one = held[index];
          if (action === 'take') {
            const free = subnets.free;
            const subnet = subnets.take();
            expect(subnet === undefined).toBe(free === 0);
            if (subnet === undefined) continue;
            expect(held.every((other) => !overlap(range(other), range(subnet.cidr)))).toBe(true);
            expect(overlap(RANGE, range(subnet.cidr))).toBe(true);
            held.push(subnet.cidr);
          } else if (action === 'observe') {
            subnets.observe([{ range: rangeOf(`10.201.0.${index * 16}`, 28), by: 'someone' }]);
          } else if (one !== undefined) {
            subnets[action](one);
            held.splice(index, 1);
          }
        }
      }),
    );
  });

  test('are all handed out, and one given back can be had again', () => {
    const subnets = new SubnetAllocator(RANGE, 28, 5);
    const all = Array.from({ length: 16 }, () => subnets.take()?.cidr);
    expect(new Set(all).size).toBe(16);
    expect(subnets.take()).toBeUndefined();
    expect(subnets.free).toBe(0);
    subnets.release(all[3] ?? '');
    expect(subnets.take()?.cidr).toBe(all[3]);
  });

  test('have their addresses', () => {
    expect(new SubnetAllocator(RANGE, 28, 2).take()).toEqual({
      cidr: '10.201.0.32/28',
      gateway: '10.201.0.33',
      sidecarAddress: '10.201.0.34',
      jobAddress: '10.201.0.35',
    });
  });

  test('of a sandbox of a former process are not handed out', () => {
    const subnets = new SubnetAllocator(RANGE, 25);
    subnets.hold('10.201.0.0/25');
    expect(subnets.take()?.cidr).toBe('10.201.0.128/25');
    expect(subnets.free).toBe(0);
  });

  test('that others use are left out, and said', () => {
    const subnets = new SubnetAllocator(RANGE, 28);
    subnets.observe([
      { range: rangeOf('10.0.0.0', 8), by: 'the route 10.0.0.0/8 of eth1' },
      { range: rangeOf('10.9.0.0', 16), by: 'elsewhere' },
    ]);
    expect(subnets.take()).toBeUndefined();
    expect(subnets.conflicts()).toEqual(['the route 10.0.0.0/8 of eth1']);
    subnets.observe([]);
    expect(subnets.free).toBe(16);
  });
});

test('the routes of the host are read as the kernel writes them, without the default route', () => {
  const text = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    '',
  ].join('\n');
  expect(parseRoutes(text)).toEqual([
    { range: rangeOf('192.0.2.0', 24), by: 'the route 192.0.2.0/24 of eth0' },
    { range: rangeOf('172.17.0.0', 16), by: 'the route 172.17.0.0/16 of docker0' },
  ]);
});
