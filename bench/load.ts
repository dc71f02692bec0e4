/** The load generator, in a process of its own: closed loop, one request in flight per client. Prints one JSON line. */
import { HttpClient } from './http-client.ts'

export type LoadRequest = {
  readonly url: string
  readonly workload: 'transfer' | 'increment' | 'read'
  readonly clients: number
  readonly seconds: number
  readonly warmupSeconds: number
  /** Records to choose from, and how unevenly (0 = uniform). */
  readonly records: number
  readonly alpha: number
}

export type LoadResult = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** In the measured window. */
  readonly completed: number
  /** Including the warm-up: what the database must show. */
  readonly acknowledged: number
  readonly failed: number
  /** All answers, warm-up included. */
  readonly answered: number
}

const request = JSON.parse(process.argv[2] ?? '{}') as LoadRequest
console.log(JSON.stringify(await run(request)))

async function run(load: LoadRequest): Promise<LoadResult> {
  const choose = zipf(load.records, load.alpha)
  const startedAt = performance.now()
  const countFrom = startedAt + load.warmupSeconds * 1000
  const stopAt = countFrom + load.seconds * 1000
  const latencies: number[] = []
  let acknowledged = 0
  let failed = 0
  let answered = 0
  const client = async (): Promise<void> => {
    const connection = await HttpClient.connect(load.url)
    while (performance.now() < stopAt) {
      const sentAt = performance.now()
      const { path, body } = next(load.workload, choose)
      const answer = JSON.parse(await connection.post(path, body)) as { status: string; value?: unknown }
      const answeredAt = performance.now()
      answered += 1
      if (answer.status !== 'success') failed += 1
      else if (answer.value !== false) acknowledged += 1
      if (sentAt >= countFrom && answeredAt <= stopAt) latencies.push(answeredAt - sentAt)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: load.clients }, client))
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN
  return {
    perSecond: latencies.length / load.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    completed: latencies.length,
    acknowledged,
    failed,
    answered,
  }
}

function next(workload: LoadRequest['workload'], choose: () => number): { path: string; body: string } {
  switch (workload) {
    case 'transfer': {
      const from = choose()
      let to = choose()
      while (to === from) to = choose()
      return call('mutation', 'bench:transfer', { from, to, amount: 1 })
    }
    case 'increment':
      return call('mutation', 'bench:increment', { key: choose() })
    case 'read':
      return call('query', 'bench:read', { key: choose() })
  }
}

function call(kind: 'query' | 'mutation', path: string, args: object): { path: string; body: string } {
  return { path: `/api/${kind}`, body: JSON.stringify({ path, format: 'convex_encoded_json', args: [args] }) }
}

/** Numbers below `count`, number k with weight 1 / (k + 1)^alpha, by inversion of the cumulative weights. */
function zipf(count: number, alpha: number): () => number {
  if (alpha === 0) return () => Math.floor(Math.random() * count)
  const cumulative = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank += 1) cumulative[rank] = sum += 1 / (rank + 1) ** alpha
  return () => {
    const wanted = Math.random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
