package import Foundation

extension Process {
    /// In place of `waitUntilExit`, which can wait for ever: where two threads start programs, the run
    /// loop on which it sleeps misses its wake-up.
    package func awaitEnd() {
        while isRunning { usleep(1000) }
    }
}
