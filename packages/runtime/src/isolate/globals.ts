/** Puts together the global object that user code sees; everything else of ECMAScript stays as V8 has it. */
import { installClock } from './clock.ts'
import { installCodeGuards } from './code-from-strings.ts'
import { installConsole } from './console.ts'
import { dynamicImport } from './dynamic-import.ts'
import { noteCaught, watchErrors } from './errors.ts'
import { createProxy, installTracking } from './kept-values.ts'
import { installLoweredAsync } from './lowered-async.ts'
import { defineHidden, reflectDefineProperty } from './primordials.ts'
import { installProcess } from './process-env.ts'
import { installPromiseHooks } from './promise-hooks.ts'
import { installRandom } from './random.ts'
import { installSyscalls } from './syscalls.ts'
import { installAbort } from './web/abort.ts'
import { installAsyncLocalStorage } from './web/async-local-storage.ts'
import { installBase64 } from './web/base64.ts'
import { installBlob } from './web/blob.ts'
import { installCrypto } from './web/crypto.ts'
import { installDeterminism } from './web/determinism.ts'
import { installDomException } from './web/dom-exception.ts'
import { installEncodedBytes } from './web/encoded-bytes.ts'
import { installEvents } from './web/events.ts'
import { installFetch } from './web/fetch.ts'
import { installFormData } from './web/form-data.ts'
import { installHeaders } from './web/headers.ts'
import { installMessages } from './web/messages.ts'
import { installPerformance } from './web/performance.ts'
import { installStreams } from './web/streams.ts'
import { installStructuredClone } from './web/structured-clone.ts'
import { installTextEncoding } from './web/text-encoding.ts'
import { installTimers } from './web/timers.ts'
import { installUrl } from './web/url.ts'
import { installUrlPattern } from './web/url-pattern.ts'

/** Legacy statics of `RegExp` (`RegExp.$1`, …) remember the last match: state that would outlive a call. */
function removeRegExpStatics(): void {
  for (const key of Reflect.ownKeys(RegExp)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(RegExp, key)
    if (typeof key === 'string' && descriptor?.get !== undefined) Reflect.deleteProperty(RegExp, key)
  }
}

export function installGlobals(): void {
  removeRegExpStatics()
  // Its iterators have a text of their own to move through.
  Reflect.deleteProperty(Intl, 'v8BreakIterator')
  installTracking()
  installCodeGuards()
  reflectDefineProperty(globalThis, '__concave_caught', { value: noteCaught })
  reflectDefineProperty(globalThis, '__concave_watch', { value: watchErrors })
  reflectDefineProperty(globalThis, '__concave_import', { value: dynamicImport })
  installPromiseHooks()
  installLoweredAsync()
  installClock()
  installRandom()
  installConsole()
  installSyscalls()
  installProcess(createProxy)
  installWebInterfaces()
  defineHidden(globalThis, 'self', globalThis)
}

function installWebInterfaces(): void {
  installDomException()
  installEvents()
  installAbort()
  installTextEncoding()
  installBase64()
  installEncodedBytes()
  installStreams()
  installBlob()
  installFormData()
  installHeaders()
  installUrl()
  installUrlPattern()
  installMessages()
  installFetch()
  installStructuredClone()
  installCrypto()
  installPerformance()
  installTimers()
  installAsyncLocalStorage()
  installDeterminism()
}
