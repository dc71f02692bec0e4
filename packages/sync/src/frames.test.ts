import { describe, expect, test } from 'vitest'
import * as frames from './frames.ts'
import { showResult } from './shown-result.ts'

function roundTrip(text: string): unknown {
  return JSON.parse(text)
}

describe('a transition', () => {
  test('has versions, modifications and times', () => {
    const text = frames.transition({
      start: { querySet: 0, identity: 0, ts: 0n },
      end: { querySet: 3, identity: 1, ts: 1n },
      modifications: [frames.queryRemoved(2)],
      clientClockSkewMs: -12,
      serverNs: 1_700_000_000_000_000_000n,
    })
    expect(roundTrip(text)).toEqual({
      type: 'Transition',
      startVersion: { querySet: 0, identity: 0, ts: 'AAAAAAAAAAA=' },
      endVersion: { querySet: 3, identity: 1, ts: 'AQAAAAAAAAA=' },
      modifications: [{ type: 'QueryRemoved', queryId: 2 }],
      clientClockSkew: -12,
      serverTs: 1.7e18,
    })
  })

  test('says nothing about a skew that is not known', () => {
    const version = { querySet: 0, identity: 0, ts: 0n }
    const text = frames.transition({
      start: version,
      end: version,
      modifications: [],
      clientClockSkewMs: undefined,
      serverNs: 0n,
    })
    expect(roundTrip(text)).not.toHaveProperty('clientClockSkew')
  })
})

describe('a result', () => {
  const logLines = ['[LOG] \'a "quoted" line\'']

  test('of a query is its value, untouched', () => {
    const shown = showResult({
      outcome: { kind: 'success', valueText: '{"b":1,"a":{"$integer":"AQAAAAAAAAA="}}', logLines },
      journal: 'j',
    })
    expect(frames.queryModificationFor(7, shown)).toBe(
      `{"type":"QueryUpdated","queryId":7,"value":{"b":1,"a":{"$integer":"AQAAAAAAAAA="}},"logLines":${JSON.stringify(logLines)},"journal":"j"}`,
    )
  })

  test.each([
    ['a ConvexError', '{"code":1}', { errorData: { code: 1 } }],
    ['a ConvexError of null', 'null', { errorData: null }],
    ['an ordinary error', undefined, {}],
  ])('of %s says so by errorData', (_name, dataText, expected) => {
    const outcome = { kind: 'error', message: 'Server "Error"', dataText, logLines } as const
    const shown = showResult({ outcome, journal: null })
    const failed = { logLines, ...expected }
    expect(roundTrip(frames.queryModificationFor(1, shown))).toEqual({
      type: 'QueryFailed',
      queryId: 1,
      errorMessage: 'Server "Error"',
      journal: null,
      ...failed,
    })
    expect(roundTrip(frames.mutationResponse(2, { ...outcome, ts: undefined }))).toEqual({
      type: 'MutationResponse',
      requestId: 2,
      success: false,
      result: 'Server "Error"',
      ts: null,
      ...failed,
    })
    expect(roundTrip(frames.actionResponse(3, outcome))).toEqual({
      type: 'ActionResponse',
      requestId: 3,
      success: false,
      result: 'Server "Error"',
      ...failed,
    })
  })

  test('of a mutation has the commit timestamp', () => {
    const text = frames.mutationResponse(2, { kind: 'success', valueText: 'null', logLines: [], ts: 258n })
    expect(roundTrip(text)).toEqual({
      type: 'MutationResponse',
      requestId: 2,
      success: true,
      result: null,
      ts: 'AgEAAAAAAAA=',
      logLines: [],
    })
    expect(() =>
      frames.mutationResponse(2, { kind: 'success', valueText: 'null', logLines: [], ts: undefined }),
    ).toThrow('has a timestamp')
  })

  test('is made once for all who get it', () => {
    const outcome = { kind: 'success', valueText: '1', logLines: [] } as const
    expect(showResult({ outcome, journal: null })).toBe(showResult({ outcome, journal: null }))
    expect(showResult({ outcome, journal: 'x' })).not.toBe(showResult({ outcome, journal: null }))
  })

  test('differs by value, log lines and kind, but not by request id', () => {
    const digestOf = (outcome: Parameters<typeof showResult>[0]['outcome']): string =>
      showResult({ outcome, journal: null }).digest
    const success = (valueText: string, ...lines: string[]) => digestOf({ kind: 'success', valueText, logLines: lines })
    const failure = (message: string, dataText?: string) => digestOf({ kind: 'error', message, dataText, logLines: [] })
    expect(success('1')).toBe(success('1'))
    const different = [success('1'), success('2'), success('1', 'a'), failure('1'), failure('1', 'null'), failure('2')]
    expect(new Set(different).size).toBe(different.length)
    expect(failure('[Request ID: 0123456789abcdef] Server Error')).toBe(
      failure('[Request ID: fedcba9876543210] Server Error'),
    )
  })
})

describe('chunks', () => {
  test.each([
    ['ascii', 'abcdefg', 3, ['abc', 'def', 'g']],
    ['an exact fit', 'abcd', 2, ['ab', 'cd']],
    ['one part', 'abc', 3, ['abc']],
    ['a pair that would be cut', 'ab😀c', 3, ['ab', '😀c']],
    ['pairs only', '😀😀', 3, ['😀', '😀']],
  ])('of %s', (_name, text, maxLength, expected) => {
    const parts = [...frames.chunks(text, maxLength)].map((part) => roundTrip(part) as Record<string, unknown>)
    expect(parts.map((part) => part['chunk'])).toEqual(expected)
    expect(parts.map((part) => part['partNumber'])).toEqual(expected.map((_, index) => index))
    for (const part of parts) {
      expect(part).toMatchObject({
        type: 'TransitionChunk',
        totalParts: expected.length,
        transitionId: String(text.length),
      })
    }
  })
})
