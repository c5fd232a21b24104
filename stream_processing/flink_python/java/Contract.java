package shop.flink;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.OutputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import com.networknt.schema.regex.JDKRegularExpressionFactory;

/**
 * The verdict of `contracts/validators/validate_kafka_event.py` on the values of one topic, in the JVM. Not safe for threads.
 * That both accept the same values is tested in `tests/integration/test_flink_contract.py`.
 */
public final class Contract {
    private final StrictJson json = new StrictJson();
    private final Schema schema;
    private final SemanticRule rule;

    /** `schema` is the text of the JSON Schema; `rule` may be null. */
    public Contract(String schema, SemanticRule rule) {
        SchemaRegistryConfig config =
                SchemaRegistryConfig.builder()
                        .failFast(true)
                        .regularExpressionFactory(JDKRegularExpressionFactory.getInstance())
                        .build();
        this.schema =
                SchemaRegistry.withDefaultDialect(
                                SpecificationVersion.DRAFT_2020_12, registry -> registry.schemaRegistryConfig(config))
                        .getSchema(schema, InputFormat.JSON);
        this.rule = rule;
    }

    /** The document of a value that is accepted. */
    JsonNode accepted(byte[] value) throws RefusedException {
        if (value == null) {
            throw new RefusedException(Reason.PARSE);
        }
        JsonNode document = json.read(value);
        if (!schema.validate(document, OutputFormat.BOOLEAN)) {
            throw new RefusedException(Reason.SCHEMA);
        }
        if (rule != null && !rule.holds(document)) {
            throw new RefusedException(Reason.SEMANTIC);
        }
        return document;
    }

    /** Why the value is refused, or null if it is accepted. */
    public Reason reason(byte[] value) {
        try {
            accepted(value);
            return null;
        } catch (RefusedException refused) {
            return refused.reason;
        }
    }
}
