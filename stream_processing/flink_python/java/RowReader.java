package shop.flink;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.List;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Rows of a table from documents that its contract accepts, of the types that `contracts/generated/flink_ddl.py` writes. A field
 * that is missing or null is null. The document is the one that was judged: Flink's own JSON format would read the text again.
 */
final class RowReader {
    private final String[] names;
    private final Reader[] readers;

    /** `type`: the columns to read; others of the document are passed over. */
    RowReader(RowType type) {
        names = type.getFieldNames().toArray(new String[0]);
        List<LogicalType> types = type.getChildren();
        readers = new Reader[names.length];
        for (int at = 0; at < readers.length; at++) {
            readers[at] = reader(types.get(at));
        }
    }

    RowData read(JsonNode document) {
        GenericRowData row = new GenericRowData(names.length);
        for (int at = 0; at < names.length; at++) {
            row.setField(at, value(readers[at], document.get(names[at])));
        }
        return row;
    }

    private static Object value(Reader reader, JsonNode node) {
        return node == null || node.isNull() ? null : reader.read(node);
    }

    private static Reader reader(LogicalType type) {
        switch (type.getTypeRoot()) {
            case VARCHAR:
                return node -> StringData.fromString(node.textValue());
            case BIGINT:
                return JsonNode::longValue;
            case DOUBLE:
                return JsonNode::doubleValue;
            case BOOLEAN:
                return JsonNode::booleanValue;
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
                return node -> TimestampData.fromInstant(Instant.parse(node.textValue()));
            case ROW:
                return new RowReader((RowType) type)::read;
            case ARRAY:
                Reader element = reader(((ArrayType) type).getElementType());
                return node -> {
                    Object[] values = new Object[node.size()];
                    for (int at = 0; at < values.length; at++) {
                        values[at] = value(element, node.get(at));
                    }
                    return new GenericArrayData(values);
                };
            default:
                throw new ValidationException("The format contract-json reads no column of the type " + type + ".");
        }
    }

    /** A value of Flink from a node that is there and not null. */
    private interface Reader {
        Object read(JsonNode node);
    }
}
