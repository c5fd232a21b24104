package shop.flink;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsServer;
import com.sun.net.httpserver.spi.HttpServerProvider;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/** Serves on loopback alone: Flink's Prometheus reporter takes a port but no address. */
public final class LoopbackHttpServerProvider extends HttpServerProvider {
    private final HttpServerProvider jdk = new sun.net.httpserver.DefaultHttpServerProvider();

    @Override
    public HttpServer createHttpServer(InetSocketAddress address, int backlog) throws IOException {
        return jdk.createHttpServer(onLoopback(address), backlog);
    }

    @Override
    public HttpsServer createHttpsServer(InetSocketAddress address, int backlog) throws IOException {
        return jdk.createHttpsServer(onLoopback(address), backlog);
    }

    private static InetSocketAddress onLoopback(InetSocketAddress address) {
        return address == null ? null : new InetSocketAddress(InetAddress.getLoopbackAddress(), address.getPort());
    }
}
