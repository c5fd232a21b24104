package shop.flink;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;

/**
 * Reads one JSON text as `contracts/validators/json_text.py` does: UTF-8 without a byte order mark or a lone surrogate, no
 * repeated key, no number beyond a double, bounded size and nesting. Not safe for threads.
 *
 * An integer outside 64 bits becomes a double, which no integer field takes.
 */
final class StrictJson {
    static final int MAX_BYTES = 1 << 20;
    static final int MAX_DEPTH = 32;
    static final int MAX_PARTS = 100_000;

    private static final char BYTE_ORDER_MARK = '\ufeff';
    private static final int LONGEST_LONG = Long.toString(Long.MIN_VALUE).length();
    private static final JsonFactory FACTORY =
            JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder()
                                    .maxNestingDepth(MAX_DEPTH)
                                    .maxNameLength(MAX_BYTES)
                                    .maxNumberLength(MAX_BYTES)
                                    .maxStringLength(MAX_BYTES)
                                    .build())
                    .build();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private final CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder();

    /** The document. */
    JsonNode read(byte[] value) throws RefusedException {
        if (value.length > MAX_BYTES || hasTooManyParts(value)) {
            throw new RefusedException(Reason.SIZE);
        }
        CharBuffer text = decode(value);
        if (text.isEmpty() || text.charAt(0) == BYTE_ORDER_MARK) {
            throw new RefusedException(Reason.PARSE);
        }
        try (JsonParser parser = FACTORY.createParser(text.array(), text.arrayOffset(), text.length())) {
            JsonNode document = node(parser, parser.nextToken());
            if (parser.nextToken() != null) {
                throw new RefusedException(Reason.PARSE);
            }
            return document;
        } catch (StreamConstraintsException tooDeep) {
            throw new RefusedException(Reason.SIZE);
        } catch (IOException notJson) {
            throw new RefusedException(Reason.PARSE);
        }
    }

    private static boolean hasTooManyParts(byte[] value) {
        int parts = 0;
        if (value.length > MAX_PARTS) {
            for (byte b : value) {
                parts += b == '{' || b == '[' ? 1 : 0;
            }
        }
        return parts > MAX_PARTS;
    }

    private CharBuffer decode(byte[] value) throws RefusedException {
        try {
            return utf8.decode(ByteBuffer.wrap(value));
        } catch (CharacterCodingException notUtf8) {
            throw new RefusedException(Reason.PARSE);
        }
    }

    private JsonNode node(JsonParser parser, JsonToken token) throws IOException, RefusedException {
        if (token == null) {
            throw new RefusedException(Reason.PARSE);
        }
        switch (token) {
            case START_OBJECT:
                ObjectNode object = NODES.objectNode();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = whole(parser.currentName());
                    object.set(name, node(parser, parser.nextToken()));
                }
                return object;
            case START_ARRAY:
                ArrayNode array = NODES.arrayNode();
                for (JsonToken next = parser.nextToken(); next != JsonToken.END_ARRAY; next = parser.nextToken()) {
                    array.add(node(parser, next));
                }
                return array;
            case VALUE_STRING:
                return NODES.textNode(whole(parser.getText()));
            case VALUE_NUMBER_INT:
                return integer(parser.getText());
            case VALUE_NUMBER_FLOAT:
                return decimal(parser.getText());
            case VALUE_TRUE:
                return NODES.booleanNode(true);
            case VALUE_FALSE:
                return NODES.booleanNode(false);
            case VALUE_NULL:
                return NODES.nullNode();
            default:
                throw new RefusedException(Reason.PARSE);
        }
    }

    private static String whole(String text) throws RefusedException {
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (Character.isSurrogate(c)) {
                boolean paired = Character.isHighSurrogate(c) && at + 1 < text.length();
                if (!paired || !Character.isLowSurrogate(text.charAt(++at))) {
                    throw new RefusedException(Reason.PARSE);
                }
            }
        }
        return text;
    }

    private static JsonNode integer(String digits) throws RefusedException {
        if (digits.length() <= LONGEST_LONG) {
            try {
                return NODES.numberNode(Long.parseLong(digits));
            } catch (NumberFormatException beyond64Bits) {
                return decimal(digits);
            }
        }
        return decimal(digits);
    }

    private static JsonNode decimal(String digits) throws RefusedException {
        double number = Double.parseDouble(digits);
        if (Double.isInfinite(number)) {
            throw new RefusedException(Reason.PARSE);
        }
        return new Fraction(number);
    }

    /** A number written with fraction or exponent: never an integer to the schema (`contracts/validators/integer_literals.py`). */
    private static final class Fraction extends DoubleNode {
        private static final long serialVersionUID = 1L;

        Fraction(double number) {
            super(number);
        }

        @Override
        public boolean canConvertToExactIntegral() {
            return false;
        }
    }
}
