package shop.flink;

/** Why a value is refused: the reasons of `contracts/reasons.py` that can be told from the value alone. */
public enum Reason {
    SIZE,
    PARSE,
    SCHEMA,
    SEMANTIC
}
