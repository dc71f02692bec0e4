/**
 * What the workloads cost without a platform: one Node process, `node:http` and `node:sqlite` on the same durability, the
 * functions written by hand. The ceiling to compare with; a process of its own. Prints its URL.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'

type Arguments = Readonly<Record<string, number>>

const [path = ':memory:', accounts = '0', counters = '0', initialBalance = '0'] = process.argv.slice(2)
const database = new DatabaseSync(path)
database.exec('PRAGMA journal_mode = WAL')
database.exec('PRAGMA synchronous = FULL')
database.exec('CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT')
database.exec('CREATE TABLE counters (key INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT')

const begin = database.prepare('BEGIN IMMEDIATE')
const commit = database.prepare('COMMIT')
const insertAccount = database.prepare('INSERT INTO accounts VALUES (?, ?)')
const insertCounter = database.prepare('INSERT INTO counters VALUES (?, 0)')
const getBalance = database.prepare('SELECT balance FROM accounts WHERE id = ?')
const setBalance = database.prepare('UPDATE accounts SET balance = ? WHERE id = ?')
const getCounter = database.prepare('SELECT n FROM counters WHERE key = ?')
const setCounter = database.prepare('UPDATE counters SET n = ? WHERE key = ?')
const sumBalances = database.prepare('SELECT sum(balance) AS total FROM accounts WHERE id >= ? AND id < ?')

const functions: Readonly<Record<string, (args: Arguments) => unknown>> = {
  'bench:transfer': ({ from = 0, to = 0, amount = 0 }) => {
    begin.run()
    const source = Number(getBalance.get(from)?.['balance'])
    const destination = Number(getBalance.get(to)?.['balance'])
    const isPossible = source >= amount && from !== to
    if (isPossible) {
      setBalance.run(source - amount, from)
      setBalance.run(destination + amount, to)
    }
    commit.run()
    return isPossible
  },
  'bench:increment': ({ key = 0 }) => {
    begin.run()
    const n = Number(getCounter.get(key)?.['n']) + 1
    setCounter.run(n, key)
    commit.run()
    return n
  },
  'bench:read': ({ key = 0 }) => getCounter.get(key)?.['n'] ?? null,
  'bench:total': ({ from = 0, to = 0 }) => sumBalances.get(from, to)?.['total'] ?? 0,
}

begin.run()
for (let id = 0; id < Number(accounts); id += 1) insertAccount.run(id, Number(initialBalance))
for (let key = 0; key < Number(counters); key += 1) insertCounter.run(key)
commit.run()

const server = createServer((request, response) => {
  const chunks: Uint8Array[] = []
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  request.on('end', () => {
    const call = JSON.parse(Buffer.concat(chunks).toString()) as { path: string; args: readonly [Arguments] }
    const value = functions[call.path]?.(call.args[0])
    const body = Buffer.from(JSON.stringify({ status: 'success', value, logLines: [] }))
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
