/**
 * The program of a process that runs the Node actions of one deployment, as of one push: several at a time, in one
 * module graph. It reads what to do from the supervisor's socket; user code sees `Convex` and the environment of its
 * deployment.
 */
import { pathToFileURL } from 'node:url'
import { analyze } from '../../isolate/analysis.ts'
import { describePlatformError } from '../../isolate/errors.ts'
import { runtimeLimits } from '../../limits.ts'
import type { Frame } from '../../protocol.ts'
import { frameKinds } from '../../protocol.ts'
import type { NodeActionStart, NodeBoot } from '../node-frames.ts'
import { Channel } from './channel.ts'
import { installConvex } from './convex-global.ts'
import { collectLines, installConsole } from './node-console.ts'
import { currentCall, NodeCall } from './node-call.ts'
import { installErrors, describeHere } from './node-errors.ts'
import { guardNetwork } from './guarded-network.ts'
import { launchWithoutRings } from './launch.ts'
import { installNetwork } from './network.ts'
import { ProcessExit, watchProcess } from './process-events.ts'
import { putWallsUp } from './walls.ts'

const channelFd = 3

type Namespace = Readonly<Record<string, unknown>>
type Action = {
  readonly isAction?: unknown
  readonly invokeAction?: (requestId: string, argsText: string) => unknown
}

launchWithoutRings()
const channel = new Channel(channelFd, runtimeLimits.maxFrameBytes)
const calls = new Map<string, NodeCall>()
let codeUrl = ''
let network: ReturnType<typeof installNetwork> | undefined

channel.onFrame = (frame) => {
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = frame.texts
  switch (frame.kind) {
    case frameKinds.boot:
      boot(JSON.parse(first) as NodeBoot)
      return
    case frameKinds.analyze:
      void analyzeModule(first, second)
      return
    case frameKinds.startAction:
      accept(first, JSON.parse(second) as NodeActionStart, third)
      return
    case frameKinds.deliver:
      calls.get(first)?.deliver(second, third === '1', fourth, fifth)
      return
    case frameKinds.wake:
      begin(first)
      return
    case frameKinds.endAction:
      accepted.delete(first)
      calls.get(first)?.drop()
      return
    case frameKinds.connected:
      network?.receive('connected', frame.texts)
      return
    case frameKinds.resolved:
      network?.receive('resolved', frame.texts)
      return
    case frameKinds.ping:
      channel.send('pong', [])
      return
    default:
      unexpected(frame)
  }
}

function unexpected(frame: Frame): never {
  throw new Error(`Unexpected frame kind ${frame.kind}.`)
}

function boot(options: NodeBoot): void {
  codeUrl = pathToFileURL(options.codeFolder).href
  if (options.network === 'handed') network = installNetwork(channel)
  if (options.network === 'guarded') guardNetwork()
  const ready = putWallsUp(options)
  installConsole()
  installConvex()
  installErrors(codeUrl)
  watchProcess({
    current: () => currentCall.getStore(),
    all: () => [...calls.values()],
    onBroken: () => channel.send('pong', ['broken']),
  })
  Object.assign(process.env, options.variables)
  channel.send('ready', [JSON.stringify(ready)])
}

/** Accepted actions that have not begun. */
const accepted = new Map<string, () => void>()

function accept(id: string, { modulePath, name }: NodeActionStart, argsText: string): void {
  accepted.set(id, () => {
    const call = new NodeCall({ id, channel, onEnded: () => calls.delete(id) })
    calls.set(id, call)
    currentCall.run(call, () => void run(call, modulePath, name, argsText))
  })
  channel.send('actionAccepted', [id])
}

function begin(id: string): void {
  const start = accepted.get(id)
  accepted.delete(id)
  start?.()
}

async function run(call: NodeCall, modulePath: string, name: string, argsText: string): Promise<void> {
  try {
    const action = await loadAction(modulePath, name)
    if (typeof action === 'string') return call.fail(describePlatformError(action))
    call.succeed((await action.invokeAction(call.id, argsText)) as string)
  } catch (error) {
    if (error instanceof ProcessExit) return
    call.fail(describeHere(error))
  }
}

/** A text says what is wrong. */
async function loadAction(modulePath: string, name: string): Promise<Required<Action> | string> {
  const namespace = await load(modulePath)
  if (!(name in namespace)) return `Couldn't find "${name}" in module "${modulePath}".`
  const action = namespace[name] as Action | undefined | null
  if (action?.isAction === true && typeof action.invokeAction === 'function') return action as Required<Action>
  return `Function ${modulePath}:${name} is not an action. Did you forget to wrap it with \`action\`?`
}

async function load(modulePath: string): Promise<Namespace> {
  return (await import(codeUrl + modulePath)) as Namespace
}

async function analyzeModule(id: string, modulePath: string): Promise<void> {
  let answer: readonly [string, string] = ['1', '']
  const lines = await collectLines(async () => {
    try {
      answer = ['0', analyze(await load(modulePath), modulePath)]
    } catch (error) {
      answer = ['1', JSON.stringify(describeHere(error))]
    }
  })
  channel.send('analyzed', [id, ...answer, JSON.stringify(lines)])
}
