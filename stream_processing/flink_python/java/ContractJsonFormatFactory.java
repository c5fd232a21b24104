package shop.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * `'format' = 'contract-json'`: JSON behind the topic's contract. A value that the contract refuses is no row; it is counted.
 * `contract-json.schema` is the file of the JSON Schema, read where the job is compiled; `contract-json.rule` names the
 * semantic rule of a topic that has one.
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
        FactoryUtil.validateFactoryOptions(this, options);
        return new Format(read(options.get(SCHEMA)), options.getOptional(RULE).orElse(null));
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException missing) {
            throw new ValidationException("The schema " + file + " cannot be read.", missing);
        }
    }

    private static final class Format implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {
        private final String schema;
        private final SemanticRule rule;

        Format(String schema, SemanticRule rule) {
            this.schema = schema;
            this.rule = rule;
        }

        @Override
        public DeserializationSchema<RowData> createRuntimeDecoder(
                DynamicTableSource.Context context, DataType physicalType, int[][] projections) {
            DataType produced = Projection.of(projections).project(physicalType);
            return new ContractJsonReader(
                    (RowType) produced.getLogicalType(), context.createTypeInformation(produced), schema, rule);
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }
    }
}
