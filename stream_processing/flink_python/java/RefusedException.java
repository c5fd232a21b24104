package shop.flink;

/** A value that the contract does not accept. Without a stack trace: it is thrown once per bad record. */
final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    final Reason reason;

    RefusedException(Reason reason) {
        super(reason.name(), null, false, false);
        this.reason = reason;
    }
}
