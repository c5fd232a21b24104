package shop.flink;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Judges values from standard input, each after its length (4 bytes, big end first; -1 is a tombstone), one verdict a line: the
 * reason, or ACCEPTED. Arguments: the schema's file, and the semantic rule's name if the topic has one.
 */
public final class ContractCommand {
    public static void main(String[] arguments) throws IOException {
        SemanticRule rule = arguments.length > 1 ? SemanticRule.valueOf(arguments[1]) : null;
        Contract contract = new Contract(Files.readString(Path.of(arguments[0])), rule);
        DataInputStream input = new DataInputStream(new BufferedInputStream(System.in));
        StringBuilder verdicts = new StringBuilder();
        while (true) {
            byte[] value;
            try {
                int length = input.readInt();
                value = length < 0 ? null : input.readNBytes(length);
            } catch (EOFException end) {
                break;
            }
            Reason reason = contract.reason(value);
            verdicts.append(reason == null ? "ACCEPTED" : reason.name()).append('\n');
        }
        System.out.print(verdicts);
    }
}
