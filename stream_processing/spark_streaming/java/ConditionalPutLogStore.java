package shop.spark;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/**
 * Commits to a table's log by a conditional put (If-None-Match), so that several drivers and other engines may write one
 * table. Delta's own store for S3 looks first and then overwrites: of two drivers that commit at once, one loses its rows.
 *
 * <p>A put whose answer was lost is sent again and then refused by itself. Delta reads the winner's commit and retries with
 * the same files, which a table holds once; a commit with a transaction id fails, and its stream goes on from there.
 */
public final class ConditionalPutLogStore extends S3SingleDriverLogStore {
  private static final String IF_ABSENT = "fs.option.create.conditional.overwrite";

  public ConditionalPutLogStore(Configuration configuration) {
    super(configuration);
  }

  @Override
  public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
      throws IOException {
    if (overwrite) {
      super.write(path, actions, true, configuration);
      return;
    }
    FSDataOutputStreamBuilder<?, ?> file = path.getFileSystem(configuration).createFile(path).overwrite(true);
    file.must(IF_ABSENT, true);
    try (FSDataOutputStream out = file.build()) {
      while (actions.hasNext()) {
        out.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
      }
    } catch (RemoteFileChangedException exc) {
      FileAlreadyExistsException refused = new FileAlreadyExistsException(path.toString());
      refused.initCause(exc);
      throw refused;
    }
  }
}
