import { describe, expect, it } from 'vitest';
import type { Figure } from './figure.ts';
import { plotFigures, timesTarget } from './plot.ts';

const figure = (more: Partial<Figure>): Figure => ({ name: 'a', unit: 'ms', value: 20, runs: [20], ...more });

describe('the picture of the figures', () => {
  it('says how many times as good as its target a figure is', () => {
    expect(timesTarget(figure({ target: { of: 'value', atMost: 10 } }))).toBe(0.5);
    expect(timesTarget(figure({ target: { of: 'value', atLeast: 10 } }))).toBe(2);
    const baseline = { name: 'b', value: 5, runs: [5] };
    expect(timesTarget(figure({ baseline, target: { of: 'ratio', atLeast: 2 } }))).toBe(2);
  });

  it('shows what has a target, with its value and what it stands beside', () => {
    const baseline = { name: 'docker run', value: 5, runs: [5] };
    const svg = plotFigures([
      figure({ name: 'met <p50>', target: { of: 'value', atMost: 100 } }),
      figure({ name: 'missed', baseline, target: { of: 'ratio', atMost: 1 } }),
      figure({ name: 'without' }),
    ]);
    expect(svg).toContain('met &lt;p50>');
    expect(svg).toContain('20 beside 5 ms');
    expect(svg).not.toContain('without');
    expect(svg.match(/#2c8a4b/g)).toHaveLength(2);
    expect(svg.match(/#c4472b/g)).toHaveLength(2);
  });
});
