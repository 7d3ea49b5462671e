import { placeServices } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { furtherAddresses, openedServices, requireOffered, serviceHosts, serviceRoutes } from './services.ts';
import { subnetFromCidr } from './subnets.ts';

const on = (name: string, port: number) => ({
  name,
  ports: [{ port, target: { host: `${name}.internal`, port: port + 1 } }],
});
const SERVICES = placeServices([on('one', 5432), on('two', 5432), on('three', 5432), on('search', 9200)]);
const SUBNET = subnetFromCidr('10.201.0.32/28') ?? { sidecarAddress: '', jobAddress: '' };

test('services on one port have addresses of their own in the job’s subnet, the others are the sidecar’s', () => {
  expect(serviceHosts(SERVICES, SUBNET)).toEqual([
    'one:10.201.0.34',
    'two:10.201.0.36',
    'three:10.201.0.37',
    'search:10.201.0.34',
  ]);
  expect(furtherAddresses(SERVICES, SUBNET)).toEqual(['10.201.0.36', '10.201.0.37']);
  expect(furtherAddresses(SERVICES.slice(0, 1), SUBNET)).toEqual([]);
});

test('the sidecar opens what the job names, once, and nothing else', () => {
  expect(serviceRoutes({ services: ['two', 'search', 'two'] }, SERVICES, SUBNET)).toEqual([
    { name: 'two', address: '10.201.0.36', port: 5432, targetHost: 'two.internal', targetPort: 5433 },
    { name: 'search', address: '10.201.0.34', port: 9200, targetHost: 'search.internal', targetPort: 9201 },
  ]);
  expect(serviceRoutes({ services: [] }, SERVICES, SUBNET)).toEqual([]);
  expect(openedServices({ services: ['two', 'search'] })).toEqual({ services: 'two, search' });
});

test('a job that names what this node does not offer is refused with what to do', () => {
  const node = { node: 'a', services: SERVICES };
  expect(() => requireOffered({ services: ['one', 'two'] }, node)).not.toThrow();
  expect(() => requireOffered({ services: ['one', 'nowhere'] }, node)).toThrow(
    expect.objectContaining({
      code: 'service',
      message: expect.stringMatching(/^The job names the service nowhere, .*node a .*CRONIUM_SERVICES/),
    }),
  );
});
