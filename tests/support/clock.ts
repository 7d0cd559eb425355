import type { Clock } from '../../src/platform/clock.ts';

/** The process's time, moved by hand. */
export class TestClock implements Clock {
  private offset = 0;

  now(): number {
    return Date.now() + this.offset;
  }

  advance(seconds: number): void {
    this.offset += seconds * 1000;
  }
}
