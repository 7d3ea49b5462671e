import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobSpec } from './job.ts';
import { EGRESS_PORT, RUNTIME_PORT } from './names.ts';
import { type OfferedService, placeServices, placesIn, serviceName } from './services.ts';

const on = (name: string, ...ports: readonly number[]): OfferedService => ({
  name,
  ports: ports.map((port) => ({ port, target: { host: `${name}.internal`, port } })),
});

test.each(['a', 'reporting-db', 'db.example.com', 'es7', 'a'.repeat(63)])('a service’s name: %s', (name) => {
  expect(serviceName.safeParse(name).success).toBe(true);
});

test.each(['', 'DB', 'db_1', '-db', 'db-', '1db', '10.0.0.1', 'a..b', 'db:5432', 'a b', 'a'.repeat(64)])(
  'no service’s name: %j',
  (name) => expect(serviceName.safeParse(name).success).toBe(false),
);

test('a job that names what cannot be a service is told which and why', () => {
  const { error } = jobSpec.safeParse({ type: 'container', image: 'a', services: ['db', 'Reporting DB'] });
  expect(error?.issues).toMatchObject([
    { path: ['services', 1], message: expect.stringContaining('must be a host name such as reporting-db') },
  ]);
});

test('services share the sidecar’s address until two have the same port', () => {
  const services = [on('one', 5432), on('search', 9200, 9300), on('two', 5432), on('api', RUNTIME_PORT)];
  expect(placeServices(services).map(({ name, place }) => [name, place])).toEqual([
    ['one', 0],
    ['search', 0],
    ['two', 1],
    ['api', 1],
  ]);
});

test('no two services meet at one address and port, whatever they are, and no address is left out', () => {
  const ports = fc.uniqueArray(fc.constantFrom(80, 443, 5432, RUNTIME_PORT, EGRESS_PORT), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(ports, { maxLength: 12 }), (all) => {
      const placed = placeServices(all.map((some, index) => on(`s${index}`, ...some)));
      const taken = placed.flatMap(({ place, ports: own }) => own.map(({ port }) => `${place}:${port}`));
      taken.push(`0:${RUNTIME_PORT}`, `0:${EGRESS_PORT}`);
      expect(new Set(taken).size).toBe(taken.length);
      const places = new Set([0, ...placed.map(({ place }) => place)]);
      expect(Math.max(...places)).toBe(places.size - 1);
      expect(placed.map(({ name }) => name)).toEqual(all.map((_, index) => `s${index}`));
    }),
  );
});

test('a subnet has room for the sidecar’s address and what network, gateway, job and broadcast leave', () => {
  expect([29, 28, 27].map(placesIn)).toEqual([4, 12, 28]);
});
