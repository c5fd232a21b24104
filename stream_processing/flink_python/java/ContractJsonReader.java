package shop.flink;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.util.Collector;

/**
 * Gives the rows of the values that the contract accepts. The others are in the topic's DLQ already, by the stream into the
 * lake; here each adds one to the counter `refused_records` of its reason.
 */
final class ContractJsonReader implements DeserializationSchema<RowData> {
    private static final long serialVersionUID = 2L;

    private final RowType columns;
    private final TypeInformation<RowData> produced;
    private final String schema;
    private final SemanticRule rule;
    private transient RowReader rows;
    private transient Contract contract;
    private transient Map<Reason, Counter> refused;

    ContractJsonReader(RowType columns, TypeInformation<RowData> produced, String schema, SemanticRule rule) {
        this.columns = columns;
        this.produced = produced;
        this.schema = schema;
        this.rule = rule;
    }

    @Override
    public void open(InitializationContext context) {
        rows = new RowReader(columns);
        contract = new Contract(schema, rule);
        refused = new EnumMap<>(Reason.class);
        for (Reason reason : Reason.values()) {
            refused.put(reason, context.getMetricGroup().addGroup("reason", reason.name()).counter("refused_records"));
        }
    }

    @Override
    public RowData deserialize(byte[] value) {
        throw new UnsupportedOperationException("A refused value is no row: use the method with a collector.");
    }

    @Override
    public void deserialize(byte[] value, Collector<RowData> out) {
        try {
            out.collect(rows.read(contract.accepted(value)));
        } catch (RefusedException refusal) {
            refused.get(refusal.reason).inc();
        }
    }

    @Override
    public boolean isEndOfStream(RowData row) {
        return false;
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        return produced;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ContractJsonReader reader
                && columns.equals(reader.columns)
                && schema.equals(reader.schema)
                && rule == reader.rule;
    }

    @Override
    public int hashCode() {
        return Objects.hash(columns, schema, rule);
    }
}
