/**
 * The program of a runner: a disposable process that runs user code for one deployment and can do nothing else. It is
 * told everything over the inherited socket and answers there; there is no event loop.
 */
import { setFlagsFromString } from 'node:v8'
import {
  decodeInvoke,
  frameKinds,
  type AnalyzeHeader,
  type Frame,
  type GraphKey,
  type LoadCodeHeader,
} from '../protocol.ts'
import { readDataBytes } from '../sandbox/data-limit.ts'
import { enterSandbox } from '../sandbox/enter-sandbox.ts'
import { analyzeModule } from './analysis.ts'
import { BlockingChannel } from './blocking-channel.ts'
import { readBoot } from './boot.ts'
import { CodeStore } from './code-store.ts'
import { Execution } from './execution.ts'
import { IsolateSlot } from './isolate-slot.ts'
import { ReadMemory } from './read-memory.ts'
import { runnerLimits } from './runner-limits.ts'

const channelFd = 3

// A runner lives for one deployment's few functions: code that is called hundreds of times will be called thousands of
// times. The usual thresholds are 400 and 3000.
setFlagsFromString('--invocation-count-for-maglev=200')
setFlagsFromString('--invocation-count-for-turbofan=1500')

const channel = new BlockingChannel(channelFd)
const store = new CodeStore()
const memory = new ReadMemory()
let callCount = 0
const slots: IsolateSlot[] = []

const { options, snapshot, snapshotText } = readBoot(channel)
const dataBeforeBytes = readDataBytes() ?? 0
// Before the walls go up: one isolate, so that everything V8 loads lazily is there.
slots.push(createSlot())
const { ready, dataLimit } = enterSandbox({
  sandbox: options.sandbox,
  growthBytes: options.dataGrowthBytes,
  isolateBytes: (readDataBytes() ?? 0) - dataBeforeBytes,
  furtherIsolates: runnerLimits.nestedDepth,
})
channel.send(frameKinds.ready, [JSON.stringify(ready), snapshotText()])

for (;;) handle(channel.read())

function getSlot(depth: number): IsolateSlot {
  const existing = slots[depth]
  if (existing !== undefined) return existing
  dataLimit?.allowIsolate()
  const slot = createSlot()
  slots[depth] = slot
  return slot
}

function createSlot(): IsolateSlot {
  return new IsolateSlot({ snapshot, memoryMb: options.isolateMemoryMb, store })
}

function handle(frame: Frame): void {
  const [first = '', second = ''] = frame.texts
  switch (frame.kind) {
    case frameKinds.loadCode:
      store.loadCode(JSON.parse(first) as LoadCodeHeader, frame.texts.slice(1))
      return
    case frameKinds.dropCode:
      for (const slot of slots) slot.dropVersion((key) => key.codeVersion === first)
      store.dropCode(first)
      return
    case frameKinds.loadEnv:
      store.loadEnv(first, second)
      return
    case frameKinds.dropEnv:
      for (const slot of slots) slot.dropVersion((key) => key.envVersion === first)
      store.dropEnv(first)
      return
    case frameKinds.invoke:
      callCount += 1
      new Execution({
        channel,
        getSlot,
        onVersion: handle,
        invoke: decodeInvoke(frame.texts),
        memory,
        number: callCount,
      }).run()
      return
    case frameKinds.forget:
      memory.forgetCalls(first.split(',').map(Number))
      return
    case frameKinds.analyze:
      channel.send(frameKinds.analyzed, [JSON.stringify(analyzeModule(getSlot(0), JSON.parse(first) as AnalyzeHeader))])
      return
    case frameKinds.prepare:
      prepare(JSON.parse(first) as GraphKey)
      return
    default:
      throw new Error(`Unexpected frame kind ${frame.kind}.`)
  }
}

function prepare(key: GraphKey): void {
  const slot = getSlot(0)
  if (slot.isDisposed) slot.renew()
  try {
    slot.prepare(key)
  } catch {
    // A graph that fills the heap while it is evaluated: the call itself will meet it again and report it.
    slot.terminate()
  }
}
