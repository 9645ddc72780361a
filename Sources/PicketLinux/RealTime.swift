import CPicket
import PicketCore

/// What keeps the loop on time on a busy computer. Each returns one plain line where the system
/// refuses it, and the agent goes on without.
public enum RealTime {
    /// Keeps every page of the process in memory: no disk stands between an event and its answer.
    public static func lockMemory() -> String? {
        if picket_lock_memory() == 0 { return nil }
        let reason = SystemError.text(of: picket_errno())
        return "memory is not locked (\(reason)): under memory pressure the agent may stall;"
            + " grant CAP_IPC_LOCK or LimitMEMLOCK=infinity"
    }

    /// SCHED_FIFO for the calling thread alone; threads and processes that it starts have none.
    public static func raisePriority(to priority: Int32 = 10) -> String? {
        if picket_real_time(priority) == 0 { return nil }
        let reason = SystemError.text(of: picket_errno())
        return "no real-time priority (\(reason)): under load the agent may wake late;"
            + " grant CAP_SYS_NICE or LimitRTPRIO=\(priority)"
    }

    /// One heap for all threads, and freed memory goes back.
    public static func keepHeapSmall() { picket_small_heap() }
}
