import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CATALOG, type MetricDefinition } from '@cronium/telemetry';
import { expect, test } from 'vitest';
import { dashboardQueries } from './dashboards.ts';

const alerts = readFileSync(join(import.meta.dirname, 'alerts.yml'), 'utf8');
const definitions: Readonly<Record<string, MetricDefinition>> = CATALOG;

test('alerts and dashboards ask for metrics and labels that there are', () => {
  const text = [alerts, ...dashboardQueries()].join('\n');
  const unknown = [...text.matchAll(/\bcronium_([a-z_]+)(?:\{([^}]*)\})?/g)].flatMap(
    ([, name = '', matchers = '']) => {
      const base = name.replace(/_bucket$/, '');
      const definition = definitions[base];
      if (definition === undefined) return [`cronium_${base}`];
      const known = ['service', 'node', 'instance', ...Object.keys(definition.labels ?? {})];
      const labels = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
      return labels.filter((label) => !known.includes(label)).map((label) => `cronium_${base}{${label}}`);
    },
  );
  expect(unknown).toEqual([]);
});

test('every alert says what to do', () => {
  const rules = alerts.split('- alert: ').slice(1);
  expect(rules.length).toBeGreaterThan(10);
  expect(rules.filter((rule) => !/action: \S/.test(rule) || !/severity: (page|warn)/.test(rule))).toEqual([]);
});
