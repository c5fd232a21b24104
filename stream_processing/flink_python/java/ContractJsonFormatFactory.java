package shop.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.formats.json.JsonFormatFactory;
import org.apache.flink.formats.json.JsonFormatOptions;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.types.DataType;

/**
 * `'format' = 'contract-json'`: Flink's own JSON format behind the topic's contract. A value that the contract refuses is no
 * row; it is counted. `contract-json.schema` is the file of the JSON Schema, read where the job is compiled;
 * `contract-json.rule` names the semantic rule of a topic that has one.
 */
public final class ContractJsonFormatFactory implements DeserializationFormatFactory {
    private static final ConfigOption<String> SCHEMA = ConfigOptions.key("schema").stringType().noDefaultValue();
    private static final ConfigOption<SemanticRule> RULE =
            ConfigOptions.key("rule").enumType(SemanticRule.class).noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return "contract-json";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(SCHEMA);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(RULE);
    }

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        Configuration json = new Configuration();
        json.set(JsonFormatOptions.TIMESTAMP_FORMAT, "ISO-8601");
        return new Format(
                new JsonFormatFactory().createDecodingFormat(context, json),
                read(options.get(SCHEMA)),
                options.getOptional(RULE).orElse(null));
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException missing) {
            throw new ValidationException("The schema " + file + " cannot be read.", missing);
        }
    }

    private static final class Format implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {
        private final DecodingFormat<DeserializationSchema<RowData>> json;
        private final String schema;
        private final SemanticRule rule;

        Format(DecodingFormat<DeserializationSchema<RowData>> json, String schema, SemanticRule rule) {
            this.json = json;
            this.schema = schema;
            this.rule = rule;
        }

        @Override
        public DeserializationSchema<RowData> createRuntimeDecoder(
                DynamicTableSource.Context context, DataType physicalType, int[][] projections) {
            ProjectableDecodingFormat<DeserializationSchema<RowData>> projectable =
                    (ProjectableDecodingFormat<DeserializationSchema<RowData>>) json;
            return new ContractJsonReader(
                    projectable.createRuntimeDecoder(context, physicalType, projections), schema, rule);
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return json.getChangelogMode();
        }
    }
}
